"""The shared suite of the platform drivers, and what is each driver's own."""
