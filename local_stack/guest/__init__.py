"""The small test guest: built from Debian packages, knows neither service."""
