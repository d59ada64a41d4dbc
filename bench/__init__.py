"""Measurements that can be repeated, each beside the floor or the peer it is compared with."""
