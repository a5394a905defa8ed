"""Real servers and clients for the tests: each starts on loopback with its own folder, configuration and port."""
