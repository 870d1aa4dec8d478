"""Configuration of other products, taken over: read, translated, planned, applied, and taken back."""
