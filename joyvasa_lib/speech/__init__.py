"""Stage two: speech becomes motion through a diffusion transformer.

:class:`~joyvasa_lib.speech.motion_generator.MotionGenerator` is the door to this room; it knows
waveforms and :class:`~joyvasa_lib.motion.motion.Motion`, and neither faces nor files of sound.
"""
