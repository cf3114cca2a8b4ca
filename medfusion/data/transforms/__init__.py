"""Changes of volumes and images, each usable alone and written down as a spec."""
