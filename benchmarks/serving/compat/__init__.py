"""Other people's clients, unmodified, against the service and the gateway; each in an environment of its own."""
