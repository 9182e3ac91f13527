"""PyTorch's side of `cargo bench --bench network -- --torch PYTHON`: the U-Net of `unets.rs` on the same weights and batch.

    PYTHON torch_unet.py DIMENSIONS THREADS FOLDER

FOLDER holds one float32 `.npy` per parameter (`block0.weight.npy`, `up1.bias.npy`, `last.weight.npy`, ...), `input.npy` and
`target.npy`; the network's output for the input is written there as `output.npy`. Then each line `train` or `infer` on standard
input is one step, answered by a JSON line with its wall and processor seconds. Needs torch and numpy (Debian: python3-torch).
"""

import json
import os
import sys
import time

# Threads that wait at barriers by spinning, the default, are more than ten times slower where other programs share the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
import numpy as np
import torch
from torch.nn import functional as F

GROUPS = 8
# Blocks that halve the resolution.
DOWN = (2, 4)


class Unet:
    def __init__(self, dimensions, folder):
        self.conv = (F.conv2d, F.conv3d)[dimensions - 2]
        self.conv_transpose = (F.conv_transpose2d, F.conv_transpose3d)[dimensions - 2]
        # The layout that is no slower with torch 1.13 and 2.15, and faster with one of them.
        self.layout = (torch.contiguous_format, torch.channels_last_3d)[dimensions - 2]
        self.folder = folder
        parts = [(f"block{i}", ("weight", "bias", "scale", "shift")) for i in range(11)]
        parts += [(name, ("weight", "bias")) for name in ("up0", "up1", "last")]
        self.parameters = {
            name: [self.load(f"{name}.{kind}").requires_grad_() for kind in kinds] for name, kinds in parts
        }

    def load(self, name):
        values = torch.from_numpy(np.load(os.path.join(self.folder, f"{name}.npy")))
        return values.contiguous(memory_format=self.layout) if values.dim() > 1 else values

    def block(self, i, x):
        weight, bias, scale, shift = self.parameters[f"block{i}"]
        x = self.conv(x, weight, bias, stride=2 if i in DOWN else 1, padding=1)
        return F.gelu(F.group_norm(x, GROUPS, scale, shift, eps=1e-5))

    def up(self, i, x, skip):
        return torch.cat((self.conv_transpose(x, *self.parameters[f"up{i}"], stride=2), skip), 1)

    def forward(self, x):
        top = self.block(1, self.block(0, x))
        middle = self.block(3, self.block(2, top))
        bottom = self.block(6, self.block(5, self.block(4, middle)))
        middle = self.block(8, self.block(7, self.up(0, bottom, middle)))
        top = self.block(10, self.block(9, self.up(1, middle, top)))
        return self.conv(top, *self.parameters["last"])


def main(dimensions, threads, folder):
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    net = Unet(dimensions, folder)
    x, target = net.load("input"), net.load("target")
    parameters = [values for part in net.parameters.values() for values in part]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-4)

    def train():
        optimizer.zero_grad(set_to_none=True)
        F.l1_loss(net.forward(x), target).backward()
        optimizer.step()

    @torch.no_grad()
    def infer():
        return net.forward(x)

    np.save(os.path.join(folder, "output.npy"), infer().contiguous().numpy())
    print("ready", torch.__version__, flush=True)
    for line in sys.stdin:
        command = line.strip()
        if command == "quit":
            break
        wall, cpu = time.perf_counter(), time.process_time()
        {"train": train, "infer": infer}[command]()
        times = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        print(json.dumps(times), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
