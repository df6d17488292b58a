"""Decoding: everything that ffmpeg reads, and what it is kept from opening.

`ffmpeg` alone starts the program, with the list of containers that are read; `probe` tells what a
file holds, `video_reader` gives its frames, `mixdown` and `clock` make its audio mono and keep it
in step with the image.
"""
