"""What JoyVASA's published code does where this library does otherwise."""
