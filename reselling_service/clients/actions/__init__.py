"""What may be done with clients: by themselves before and after a login, and by staff."""
