"""The gateway: a process of its own beside a modem or an Asterisk, which Tocsin asks over HTTP for SMS and calls."""
