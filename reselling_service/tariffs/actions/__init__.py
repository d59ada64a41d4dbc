"""What may be done with tariffs: bring them in from a seller, and set up how they are sold."""
