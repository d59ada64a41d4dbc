"""What may be done with what is held about a client: show it all, and forget it."""
