"""Encodes one image of a head: layers, colours, eyes, mouth, flow."""
