"""``joyvasa datasets``: makes the data that the bundled checkpoint is trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Makes training data.")


@app.callback()
def datasets() -> None:
    """Makes training data."""


@app.command("head-frames")
def head_frames(
    output: Annotated[Path, typer.Argument(help="Folder of the set; existing shards are kept.")],
    heads: Annotated[int, typer.Option(min=1, help="Heads to learn from.")] = 100,
    valid_heads: Annotated[int, typer.Option(min=1, help="Held-out heads.")] = 8,
    frames: Annotated[int, typer.Option(min=2, help="Images of each head.")] = 12,
    size: Annotated[int, typer.Option(min=64, help="Side of the images, pixels.")] = 256,
    seed: Annotated[int, typer.Option(help="Seed of the set.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
) -> None:
    """Renders heads in several poses and expressions, for train portrait."""
    from tqdm import tqdm

    from joyvasa_lib.datasets.heads.frames import HeadFramesConfig, write_head_frames

    config = HeadFramesConfig(heads, valid_heads, frames, size, seed=seed)
    with tqdm(total=heads + valid_heads, unit="head", disable=quiet) as bar:
        paths = write_head_frames(output, config, lambda done, _: bar.update(done - bar.n))
    typer.echo(f"{len(paths)} shards in {output}")


@app.command("mean-face")
def mean_face(
    output: Annotated[Path, typer.Argument(help="The mesh, an .npy file.")],
    count: Annotated[int, typer.Option("--heads", min=4, help="Rendered heads.")] = 60,
    seed: Annotated[int, typer.Option(help="Seed of the heads.")] = 0,
) -> None:
    """Averages what the face-mesh network finds on rendered heads: the face room's mean mesh."""
    import numpy as np

    from joyvasa_lib.datasets.heads.mean_face import mean_face_mesh
    from joyvasa_lib.media.files import atomic_path

    mesh = mean_face_mesh(count, seed, progress=True)
    with atomic_path(output) as temporary, temporary.open("wb") as file:
        np.save(file, mesh)
