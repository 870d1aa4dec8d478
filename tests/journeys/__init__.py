"""Whole journeys through the product as it is started, driven only from outside."""
