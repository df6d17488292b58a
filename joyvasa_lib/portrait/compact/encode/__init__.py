"""What one image tells about a head: layers, colours, eyes, mouth, flow."""
