"""Where an outsider's request is translated: command line and gateway."""
