"""An update of `sppo_hard` and a whole SPPO iteration: `concord`'s parts, TRL, and a bare PyTorch loop, in turns.

    cargo build -p alignment --example preference_speed
    python xtask/parity/finetune_speed.py target/debug/examples/preference_speed [THREADS [ROUNDS]]

The model is that of lm_speed.py (5 M parameters), f32. An update is 8 pairs of 64 prompt and 64 response tokens: the
reference forward once, the policy forward and backward, clipping at 1, RMSprop. TRL's is `DPOTrainer.training_step` with
the optimiser's step, each pair's texts padded side by side, without recomputation; the bare loop is the same in plain
PyTorch, without metrics. An iteration samples five responses of 64 tokens to 32 prompts, takes best and worst by a made-up
score, and takes 4 updates; TRL's samples with `transformers.generate`. Without TRL only the bare loop is beside ours.

Each side is a process of its own, so that the peak of its memory (VmHWM) is its own. They take turns step by step; the
median of the ratios counts, since other load hits all. With one thread the processor's time is what an idle machine would
take, and its ratios (`times_in_cpu`) hold under any load. The floor is the products' operations.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

PAIRS, PROMPT, RESPONSE, SAMPLES, UPDATES = 8, 64, 64, 5, 4
TOKENS = 2 * PAIRS * (PROMPT + RESPONSE)


def text(number, length):
    return [3 + (number * 31 + at * 7 + number * at) % 4093 for at in range(length)]


def rows():
    response = lambda number, seed: text(1000 + 2 * number + seed, RESPONSE)
    return [dict(prompt_ids=text(number, PROMPT), chosen_ids=response(number, 0), rejected_ids=response(number, 1)) for number in range(PAIRS)]


def peak():
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1.024e-3


def chosen(answers):
    """Best and worst of the samples of a prompt."""
    worth = lambda ids: sum(id % 7 == 0 for id in ids)
    return max(answers, key=worth), min(answers, key=worth)


def sampled(model, torch):
    prompts = [text(number, PROMPT) for number in range(UPDATES * PAIRS)]
    ids = torch.tensor(prompts)
    model.eval()
    with torch.inference_mode():
        out = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=True, top_k=0, temperature=1.0, num_return_sequences=SAMPLES,
            max_new_tokens=RESPONSE, min_new_tokens=RESPONSE, pad_token_id=0,
        )[:, PROMPT:].tolist()
    model.train()
    found = []
    for number, prompt in enumerate(prompts):
        best, worst = chosen(out[number * SAMPLES:(number + 1) * SAMPLES])
        found.append(dict(prompt_ids=prompt, chosen_ids=best, rejected_ids=worst))
    return found


def model_of(folder):
    import torch
    from transformers import AutoModelForCausalLM
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).train()


def bare(folder):
    """The update in plain PyTorch."""
    import copy
    import torch
    model = model_of(folder)
    frozen = copy.deepcopy(model).eval()
    optimiser = torch.optim.RMSprop(model.parameters(), lr=5e-7)

    def sums(model, ids):
        logits = model(ids[:, :-1], use_cache=False, logits_to_keep=RESPONSE).logits
        return -torch.nn.functional.cross_entropy(logits.transpose(1, 2), ids[:, PROMPT:], reduction="none").sum(1)

    def step(rows):
        ids = torch.tensor([row["prompt_ids"] + row[half] for half in ("chosen_ids", "rejected_ids") for row in rows])
        with torch.no_grad():
            before = sums(frozen, ids)
        won, lost = (sums(model, ids) - before).chunk(2)
        loss = ((won - 500) ** 2 + (lost + 500) ** 2).mean()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        return loss.item(), norm.item()

    return model, step


def trl(folder):
    """TRL's trainer; its loop's own work around a step is left out, which favours it."""
    import copy
    import datasets
    import torch
    from transformers import PreTrainedTokenizerFast
    from tokenizers import Tokenizer, models
    from trl import DPOConfig, DPOTrainer
    model = model_of(folder)
    words = {"<pad>": 0, "</s>": 2, "<unk>": 1}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="<unk>")), pad_token="<pad>", eos_token="</s>", unk_token="<unk>",
    )

    class Ready(DPOTrainer):
        def _prepare_dataset(self, dataset, *_):
            return dataset

    trainer = Ready(
        model=model, ref_model=copy.deepcopy(model), processing_class=tokenizer,
        train_dataset=datasets.Dataset.from_list(rows()),
        args=DPOConfig(
            output_dir=tempfile.mkdtemp(), loss_type=["sppo_hard"], beta=1e-3, optim="rmsprop", learning_rate=5e-7,
            lr_scheduler_type="constant", per_device_train_batch_size=PAIRS, max_length=PROMPT + RESPONSE, bf16=False,
            use_cpu=True, gradient_checkpointing=False, report_to=[], save_strategy="no", max_steps=1, disable_tqdm=True,
        ),
    )
    trainer.create_optimizer()
    trainer.current_gradient_accumulation_steps = 1

    def step(rows):
        loss = trainer.training_step(model, trainer.data_collator(rows), num_items_in_batch=None)
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        trainer.optimizer.step()
        trainer.optimizer.zero_grad()
        return loss.item(), norm.item()

    return model, step


def serve(kind, folder, threads):
    """Answers each line on stdin, as the program does."""
    import torch
    torch.set_num_threads(threads)
    model, step = dict(bare=bare, trl=trl)[kind](folder)
    model.generation_config.eos_token_id = None
    print("ready", flush=True)
    for line in sys.stdin:
        started, computed = time.perf_counter(), time.process_time()
        if line.strip() == "iteration":
            found = sampled(model, torch)
            for first in range(0, len(found), PAIRS):
                step(found[first:first + PAIRS])
            told = dict(sampled=len(found) * SAMPLES * RESPONSE)
        else:
            loss, norm = step(rows())
            told = dict(loss=loss, gradient_norm=norm)
        told |= dict(seconds=time.perf_counter() - started, cpu_seconds=time.process_time() - computed, peak_mb=peak())
        print(json.dumps(told), flush=True)


class Side:
    def __init__(self, command, more=()):
        pipe = subprocess.PIPE
        self.child = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env={**os.environ, **dict(more)})

    def waited(self):
        while self.child.stdout.readline().strip() not in ("ready", ""):
            pass
        return self

    def ask(self, what):
        self.child.stdin.write(what + "\n")
        self.child.stdin.flush()
        while True:
            line = self.child.stdout.readline()
            assert line, "a side ended"
            if line.startswith("{"):
                return json.loads(line)

    def close(self):
        self.child.stdin.close()
        self.child.wait()


def work(config):
    """Floating-point operations of an update, texts apart, and the bytes of its weights, gradient and state."""
    width = config.head_dim * (config.num_attention_heads + 2 * config.num_key_value_heads)
    layer = config.hidden_size * (width + config.head_dim * config.num_attention_heads + 3 * config.intermediate_size)
    layers, head = config.num_hidden_layers * layer, config.vocab_size * config.hidden_size
    asked = 2 * PAIRS * RESPONSE
    # Reference forward, policy forward, two products backward.
    flops = 4 * 2 * (TOKENS * layers + asked * head)
    shared = 4 * 2 * (PAIRS * (PROMPT + 2 * RESPONSE) * layers + asked * head)
    return flops, shared, 4 * (layers + 2 * head) * 6


def main():
    program, threads = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    import importlib.util
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=4096, hidden_size=256, intermediate_size=688, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=2048, initializer_range=0.1,
    ))
    has_trl = all(importlib.util.find_spec(name) is not None for name in ("trl", "datasets"))
    kinds = ["bare"] + ["trl"] * has_trl
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        ours = [program, folder, str(threads), str(PAIRS), str(PROMPT), str(RESPONSE)]
        served = [sys.executable, __file__, "serve"]
        # As `concord` starts its worker.
        sides = {"ours": Side(ours, {"GOMP_SPINCOUNT": "1000"})}
        sides |= {kind: Side([*served, kind, folder, str(threads)]).waited() for kind in kinds}
        first = {name: side.ask("update") for name, side in sides.items()}
        for name, told in first.items():
            # All take the same step from the same weights.
            off = [abs(told[key] / first["ours"][key] - 1) for key in ("loss", "gradient_norm")]
            assert max(off) < 1e-4, f"{name}: {told}, ours: {first['ours']}"
        for what in ("update", "iteration"):
            measured = [{name: side.ask(what) for name, side in sides.items()} for _ in range(1 + rounds)][1:]
            print(json.dumps(figures(what, threads, measured, model.config)), flush=True)
        for side in sides.values():
            side.close()


def figures(what, threads, measured, config):
    median = lambda values: statistics.median(list(values))
    found = dict(measure=f"finetune {what}", threads=threads, rounds=len(measured))
    for name in measured[0]:
        seconds = median(each[name]["seconds"] for each in measured)
        found[f"{name}_ms"] = round(1e3 * seconds, 1)
        found[f"{name}_cpu_ms"] = round(1e3 * median(each[name]["cpu_seconds"] for each in measured), 1)
        found[f"{name}_peak_mb"] = round(measured[-1][name]["peak_mb"], 1)
        if what == "update":
            found[f"{name}_tokens_per_second"] = round(TOKENS / seconds)
        if name != "ours":
            for key, label in (("seconds", "times"), ("cpu_seconds", "times_in_cpu")):
                ratios = (each[name][key] / max(each["ours"][key], 1e-3) for each in measured)
                found[f"{label}_{name}"] = round(median(ratios), 3)
    if what == "update":
        flops, shared, size = work(config)
        found |= dict(gflop=round(flops / 1e9, 1), gflop_with_shared_prompts=round(shared / 1e9, 1), state_mb=round(size / 1e6, 1))
        seconds = median(each["ours"]["seconds"] for each in measured)
        found["ours_gflops_per_second"] = round(shared / seconds / 1e9, 1)
    return found


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main()
