"""Stage two: speech becomes motion through a diffusion transformer.

:class:`~joyvasa_lib.speech.motion_generator.MotionGenerator` takes waveforms and gives
:class:`~joyvasa_lib.motion.motion.Motion`; it knows neither faces nor files.
"""
