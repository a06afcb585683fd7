"""One forward and backward pass side by side: `lm` against a bare PyTorch loop of the same maths.

    cargo build -p lm --example train_speed
    python xtask/parity/lm_train_speed.py target/debug/examples/train_speed [THREADS [ROUNDS]]

The model is that of lm_speed.py (5 M parameters), the batch 16 rows of 128 tokens, f32. The two
take turns pass by pass; the median of their ratios counts, since other load hits both. The floor
is the time of the matrix products alone, by LibTorch, in turns with the rest.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time

import torch
import torch.nn.functional as F
from transformers import LlamaConfig, LlamaForCausalLM

ROWS, TOKENS = 16, 128


def loss_of(model, ids, targets):
    """The bare loop: the model's own weights, the functions PyTorch has for each step."""
    config = model.config
    heads, kv, width = config.num_attention_heads, config.num_key_value_heads, config.head_dim
    rows, tokens = ids.shape
    frequencies = 1.0 / config.rope_parameters["rope_theta"] ** (torch.arange(0, width, 2) / width)
    angles = torch.arange(tokens)[:, None] * frequencies
    angles = torch.cat((angles, angles), -1)
    cosine, sine = angles.cos(), angles.sin()

    def turn(x):
        low, high = x.chunk(2, -1)
        return x * cosine + torch.cat((-high, low), -1) * sine

    x = F.embedding(ids, model.model.embed_tokens.weight)
    for layer in model.model.layers:
        h = F.rms_norm(x, (config.hidden_size,), layer.input_layernorm.weight, config.rms_norm_eps)
        q = layer.self_attn.q_proj(h).view(rows, tokens, heads, width).transpose(1, 2)
        k = layer.self_attn.k_proj(h).view(rows, tokens, kv, width).transpose(1, 2)
        v = layer.self_attn.v_proj(h).view(rows, tokens, kv, width).transpose(1, 2)
        a = F.scaled_dot_product_attention(turn(q), turn(k), v, is_causal=True, enable_gqa=True)
        x = x + layer.self_attn.o_proj(a.transpose(1, 2).reshape(rows, tokens, heads * width))
        h = F.rms_norm(x, (config.hidden_size,), layer.post_attention_layernorm.weight, config.rms_norm_eps)
        x = x + layer.mlp.down_proj(F.silu(layer.mlp.gate_proj(h)) * layer.mlp.up_proj(h))
    x = F.rms_norm(x, (config.hidden_size,), model.model.norm.weight, config.rms_norm_eps)
    return F.cross_entropy(model.lm_head(x).flatten(0, 1), targets.flatten())


def of_pytorch(model, ids, targets):
    started = time.perf_counter()
    model.zero_grad(set_to_none=True)
    loss = loss_of(model, ids, targets)
    loss.backward()
    seconds = time.perf_counter() - started
    norm = torch.cat([p.grad.flatten() for p in model.parameters()]).double().norm()
    return seconds, loss.item(), norm.item()


def products(config):
    """The products' shapes, as (count, outputs, inputs)."""
    heads = config.head_dim * config.num_attention_heads
    keys = config.head_dim * config.num_key_value_heads
    layer = [(heads + 2 * keys, config.hidden_size), (config.hidden_size, heads)]
    layer += [(2 * config.intermediate_size, config.hidden_size), (config.hidden_size, config.intermediate_size)]
    return [(config.num_hidden_layers, *shape) for shape in layer] + [(1, config.vocab_size, config.hidden_size)]


def floor_of(tensors):
    """Seconds of the products of one pass, forward and both backward, each once."""
    total = 0.0
    for count, x, w, g in tensors:
        started = time.perf_counter()
        torch.mm(x, w.t()), torch.mm(g, w), torch.mm(g.t(), x)
        total += count * (time.perf_counter() - started)
    return total


if __name__ == "__main__":
    program, threads = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "1"
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 9
    torch.manual_seed(0)
    torch.set_num_threads(int(threads))
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=4096, hidden_size=256, intermediate_size=688, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=2048, initializer_range=0.1,
    ))
    texts = torch.tensor([[3 + (row * 31 + at * 7) % 97 for at in range(TOKENS + 1)] for row in range(ROWS)])
    ids, targets = texts[:, :-1].contiguous(), texts[:, 1:].contiguous()
    size = ROWS * TOKENS
    tensors = [(c, torch.randn(size, i), torch.randn(o, i), torch.randn(size, o)) for c, o, i in products(model.config)]
    flops = sum(6 * size * c * o * i for c, o, i in products(model.config))
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        command = [program, folder, threads, str(ROWS), str(TOKENS)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            def of_ours():
                child.stdin.write("\n")
                child.stdin.flush()
                answer = json.loads(child.stdout.readline())
                return answer["seconds"], answer["loss"], answer["gradient_norm"]
            for _ in range(2):
                theirs, ours = of_pytorch(model, ids, targets), of_ours()
            off = [abs(a - b) / abs(a) for a, b in zip(theirs[1:], ours[1:])]
            assert max(off) < 1e-4, f"loss and gradient norm differ: {theirs[1:]} and {ours[1:]}"
            passes = [(of_pytorch(model, ids, targets)[0], of_ours()[0], floor_of(tensors)) for _ in range(rounds)]
            child.stdin.close()
    median = lambda values: statistics.median(list(values))
    print(json.dumps({
        "measure": "training",
        "threads": int(threads),
        "pytorch_ms": round(1e3 * median(p for p, _, _ in passes), 1),
        "ours_ms": round(1e3 * median(o for _, o, _ in passes), 1),
        "floor_ms": round(1e3 * median(f for _, _, f in passes), 1),
        "best_ms": [round(1e3 * min(values), 1) for values in zip(*passes)],
        "times_pytorch": round(median(p / o for p, o, _ in passes), 3),
        "of_floor": round(median(o / f for _, o, f in passes), 3),
        "floor_gflops_per_second": round(median(flops / f / 1e9 for _, _, f in passes), 1),
    }))
