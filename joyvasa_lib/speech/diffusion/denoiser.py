"""Motion denoiser: the diffusion transformer of stage two.

Built as published with JoyVASA: sinusoidal step embedding, previous-motion tokens in front,
post-norm decoder layers, and a cross attention in which each motion frame attends to its own audio
frame only. The parameters under ``denoising_net`` and beside it carry the official names.

A softmax over one key is one. With the alignment width 1 the cross attention is therefore
``out_proj(W_v memory + b_v)``: independent of the tokens and of the diffusion step. It is computed
once per window (:meth:`MotionDenoiser.cross_terms`) and added in every denoising step.

Axis legend: ``b`` batch, ``l`` motion frames of the window, ``p`` previous frames, ``t`` = p + l,
``c`` motion channels, ``d`` width, ``a`` width of the audio encoder, ``s`` dials of a style.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn

from joyvasa_lib.nn.attention import Attention
from joyvasa_lib.speech.diffusion.tables import alignment_mask, gaussian_kernels, sinusoidal_table


class DecoderLayer(nn.Module):
    """Post-norm decoder layer: self attention, cross attention, feed-forward."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        """Builds the layer; names are those of ``nn.TransformerDecoderLayer``."""
        super().__init__()
        self.self_attn = Attention(width, heads, dropout)
        self.multihead_attn = Attention(width, heads, dropout)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, cross: Tensor) -> Tensor:
        """Returns [b, t, d]; ``cross`` is the finished cross-attention term of this layer."""
        x = self.norm1(x + self.dropout(self.self_attn(x, x)))
        return self.after_self(x, cross)

    def attend(self, x: Tensor, memory: Tensor, blocked: Tensor | None) -> Tensor:
        """Returns the same for any mask, with the cross attention computed from the memory."""
        x = self.norm1(x + self.dropout(self.self_attn(x, x)))
        return self.after_self(x, self.multihead_attn(x, memory, blocked))

    def after_self(self, x: Tensor, cross: Tensor) -> Tensor:
        """Returns [b, t, d]: what follows self attention."""
        x = self.norm2(x + self.dropout(cross))
        hidden = self.dropout(F.gelu(self.linear1(x)))
        result: Tensor = self.norm3(x + self.dropout(self.linear2(hidden)))
        return result


class DecoderStack(nn.Module):
    """Holds the layers under the official name ``transformer.layers``."""

    def __init__(self, layers: int, width: int, heads: int, hidden: int, dropout: float) -> None:
        """Builds ``layers`` decoder layers."""
        super().__init__()
        self.layers = nn.ModuleList(
            DecoderLayer(width, heads, hidden, dropout) for _ in range(layers)
        )


class DenoisingNet(nn.Module):
    """Noisy motion, previous motion and memory to clean motion: the net inside the denoiser."""

    TE: Tensor
    PE: Tensor | None

    def __init__(
        self,
        channels: int,
        in_channels: int,
        width: int,
        layers: int,
        heads: int,
        hidden: int,
        max_steps: int,
        align_width: int,
        positions: bool,
        dropout: float,
        learned_frames: int = 0,
    ) -> None:
        """Builds the net.

        ``in_channels`` counts the indicator; ``learned_frames`` is the length of a learned
        position table, 0 for the sinusoidal one.
        """
        super().__init__()
        self.align_width = align_width
        self.register_buffer("TE", sinusoidal_table(max_steps + 1, width), persistent=False)
        if learned_frames:
            self.PE = nn.Parameter(torch.randn(1, learned_frames, width))
        else:
            table = sinusoidal_table(600, width) if positions else None
            self.register_buffer("PE", table, persistent=False)
        self.diff_step_map = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.Linear(width, width)
        )
        self.feature_proj = nn.Linear(in_channels, width)
        self.transformer = DecoderStack(layers, width, heads, hidden, dropout)
        self.motion_dec = nn.Sequential(
            nn.Linear(width, width // 2), nn.GELU(), nn.Linear(width // 2, channels)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, tokens: Tensor, step: Tensor, memory: Tensor, cross: list[Tensor] | None
    ) -> Tensor:
        """Returns clean motion [b, t, c] for motion tokens [b, t, c (+ indicator)]."""
        x = self.embed(tokens, step)
        blocked = alignment_mask(x.shape[1], self.align_width)
        blocked = None if blocked is None else blocked.to(x.device)
        for index, layer in enumerate(self.transformer.layers):
            assert isinstance(layer, DecoderLayer)
            x = layer.attend(x, memory, blocked) if cross is None else layer(x, cross[index])
        result: Tensor = self.motion_dec(x)
        return result

    def embed(self, tokens: Tensor, step: Tensor, first: int = 0) -> Tensor:
        """What the layers start from, [b, t, d]; ``first`` is the place of the first token."""
        embedding = self.diff_step_map(self.TE[step])[:, None]
        x = self.feature_proj(tokens)
        if self.PE is not None:
            x = x + self.PE[..., first : first + x.shape[1], :]
        result: Tensor = self.dropout(x) + embedding
        return result


class MotionDenoiser(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Predicts clean motion from noisy motion, speech features and what came before.

    Beside the net it holds learned inputs: start features in place of the previous frames of the
    first window, and the null feature of classifier-free guidance.
    """

    blur_kernels: Tensor | None

    @register_to_config
    def __init__(
        self,
        motion_dim: int = 59,
        audio_dim: int = 256,
        feature_dim: int = 256,
        n_motions: int = 100,
        n_prev_motions: int = 10,
        n_layers: int = 8,
        n_heads: int = 8,
        hidden_dim: int = 1024,
        n_diff_steps: int = 50,
        align_width: int = 1,
        use_indicator: bool = False,
        use_positions: bool = True,
        dropout: float = 0.1,
        learned_positions: bool = False,
        style_dim: int = 0,
        look_ahead: int = 25,
        blurs: Sequence[float] = (),
        guidance_scale: float = 2.0,
    ) -> None:
        """Builds the network.

        Args:
            motion_dim: motion channels c.
            audio_dim: width a of the speech encoder.
            feature_dim: width d.
            n_motions: longest window, frames.
            n_prev_motions: previous frames p.
            n_layers: decoder layers.
            n_heads: attention heads.
            hidden_dim: width of the feed-forward layers.
            n_diff_steps: diffusion steps T; steps are numbered 1..T.
            align_width: 1 = a frame attends to its own audio frame only, n = to n - 1 more on
                either side, 0 = to all.
            use_indicator: one more input channel that marks padded frames.
            use_positions: add frame positions.
            dropout: in training.
            learned_positions: with ``use_positions``, learn them, one for each of the p + l
                tokens (the reference's has one too many and does not run); else sinusoidal.
            style_dim: dials s of a speaking style that the motion is conditioned on; 0 for none.
            look_ahead: frames of sound beyond a window that its last speech features are made of.
            blurs: standard deviations in frames of Gaussians through which the noisy motion is
                also seen. Slow motion stands out from the noise there, which a small network
                learns long before it finds out by attention how to average.
            guidance_scale: of motion where none is asked for; ValueError outside 0 to 20.
        """
        super().__init__()
        if not 0.0 <= guidance_scale <= 20.0:
            raise ValueError(f"guidance_scale must be from 0 to 20, not {guidance_scale}")
        self.audio_feature_map = nn.Linear(audio_dim, feature_dim)
        self.start_audio_feat = nn.Parameter(torch.randn(1, n_prev_motions, feature_dim))
        self.start_motion_feat = nn.Parameter(torch.randn(1, n_prev_motions, motion_dim))
        self.null_audio_feat = nn.Parameter(torch.randn(1, 1, feature_dim))
        if style_dim:
            self.style_map = nn.Linear(style_dim, feature_dim)
            self.null_style_feat = nn.Parameter(torch.zeros(1, 1, feature_dim))
        kernels = gaussian_kernels(blurs) if blurs else None
        self.register_buffer("blur_kernels", kernels, persistent=False)
        self.denoising_net = DenoisingNet(
            motion_dim,
            motion_dim * (1 + len(blurs)) + int(use_indicator),
            feature_dim,
            n_layers,
            n_heads,
            hidden_dim,
            max(500, n_diff_steps),
            align_width,
            use_positions,
            dropout,
            n_prev_motions + n_motions if use_positions and learned_positions else 0,
        )

    def style_feature(self, style: Tensor | None, unknown: Tensor | None = None) -> Tensor | None:
        """What a style adds to the speech features of each frame.

        Args:
            style: dials [b, l, s]; None if nothing is known of any.
            unknown: bool [b, 1, 1], where the style is taken as unknown; nowhere if None.

        Returns:
            [b, l, d], or [1, 1, d] for an unknown style; None of a network without styles.
        """
        if not self.config.style_dim:
            return None
        null: Tensor = self.null_style_feat
        if style is None:
            return null
        known: Tensor = self.style_map(style)
        return known if unknown is None else torch.where(unknown, null.to(known.dtype), known)

    def cross_terms(self, memory: Tensor) -> list[Tensor] | None:
        """Returns the constant cross-attention term [b, t, d] of each layer for a window.

        Args:
            memory: previous and current audio features [b, t, d].

        Returns:
            One tensor per layer, or None where the alignment width is not 1 and no constant exists.
        """
        if self.config.align_width != 1:
            return None
        return [layer.multihead_attn.single_key(memory) for layer in self.layers]

    def forward(
        self,
        noisy: Tensor,
        step: Tensor,
        audio: Tensor,
        prev_motion: Tensor,
        prev_audio: Tensor,
        indicator: Tensor | None = None,
        cross: list[Tensor] | None = None,
    ) -> Tensor:
        """Predicts clean motion.

        Args:
            noisy: noisy motion [b, l, c].
            step: int64 [b], 1..T.
            audio: speech features after ``audio_feature_map`` [b, l, d].
            prev_motion: [b, p, c].
            prev_audio: [b, p, d].
            indicator: [b, l], 1 for real frames; only where the network was built with it.
            cross: result of :meth:`cross_terms` for this window; computed if not given.

        Returns:
            Clean motion [b, p + l, c] of previous and current frames; the last l are the window's.
        """
        tokens = self.with_blurred(torch.cat([prev_motion, noisy], dim=1))
        if self.config.use_indicator:
            real = noisy.new_ones(noisy.shape[:2]) if indicator is None else indicator.to(noisy)
            real = F.pad(real, (prev_motion.shape[1], 0))
            tokens = torch.cat([tokens, real[..., None]], dim=-1)
        memory = torch.cat([prev_audio, audio], dim=1)
        if cross is None:
            cross = self.cross_terms(memory)
        result: Tensor = self.denoising_net(tokens, step, memory, cross)
        return result

    def with_blurred(self, motion: Tensor) -> Tensor:
        """Returns motion [b, t, c] with its blurred copies beside it [b, t, c (1 + blurs)]."""
        if self.blur_kernels is None:
            return motion
        reach = self.blur_kernels.shape[1] // 2
        b, t, c = motion.shape
        rows = F.pad(motion.transpose(1, 2), (reach, reach), mode="replicate").reshape(b * c, 1, -1)
        blurred = F.conv1d(rows, self.blur_kernels[:, None].to(rows.dtype)).reshape(b, c, -1, t)
        return torch.cat([motion, blurred.permute(0, 3, 2, 1).reshape(b, t, -1)], dim=2)

    @property
    def layers(self) -> list[DecoderLayer]:
        """The decoder layers, lowest first."""
        layers = list(self.denoising_net.transformer.layers)
        return [layer for layer in layers if isinstance(layer, DecoderLayer)]
