"""The networks: generator, encoders and hypernetwork, whose sizes are data and which never open a file."""
