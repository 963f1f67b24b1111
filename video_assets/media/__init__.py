"""Pictures and sound: probing, the ladder, encoding and verification. FFmpeg runs through `sandbox` alone."""
