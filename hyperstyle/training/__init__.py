"""Training of every network of a domain, from nothing, by one loop."""
