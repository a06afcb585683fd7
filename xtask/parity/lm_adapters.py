"""Adapters of `concord model` beside those of peft, live.

    python lm_adapters.py --concord target/debug/concord

For each case of make_adapter_golden.py that this peft has: an adapter that peft wrote is read by
`concord model logits --adapter` and put into the weights by `concord model merge`, the folder of
which transformers loads; and `concord model adapter` writes it anew, for peft to read. Fresh
adapters are compared with what peft draws. Logits within 1e-4, merged weights within 1e-6.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import warnings

sys.dont_write_bytecode = True  # the folder is the repository's
import numpy
import peft
import torch
from make_adapter_golden import CASES, LENGTH
from make_lm_golden import VOCABULARY, hashed, model_of
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import logging

FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "crates/lm/tests/fixtures"
LOGITS, WEIGHTS = 1e-4, 1e-6


class Checks:
    def __init__(self):
        self.passed, self.failed, self.worst = 0, 0, {}

    def within(self, what, case, value, allowed):
        self.worst[what] = max(self.worst.get(what, 0.0), value)
        self.that(f"{case}: {what} differ by {value:.1e}", value <= allowed)

    def that(self, sentence, holds):
        self.passed += bool(holds)
        self.failed += not holds
        if not holds:
            print(f"FAILED {sentence}")


def concord(binary, *words):
    done = subprocess.run([binary, "model", *map(str, words), "--format", "json"], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"concord model {' '.join(map(str, words))}\n{done.stderr}")
    return json.loads(done.stdout)


def logits_of(model, ids):
    with torch.no_grad():
        return model(ids[None]).logits[0]


def base_of(folder):
    return AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()


def difference(left, right):
    return (left - right).abs().max().item()


def case(checks, binary, root, name):
    base, make, size = CASES[name]
    folder = root / base
    if not folder.exists():
        model_of(AutoConfig.from_pretrained(FIXTURES / base)).save_pretrained(folder)
    model = peft.get_peft_model(base_of(folder), make()).eval()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if parameter.requires_grad:
                values = hashed(f"live.{parameter_name}", parameter.numel()).reshape(tuple(parameter.shape))
                parameter.copy_(torch.from_numpy(values * numpy.float32(size)))
    adapter, merged, again = (root / f"{name}-{what}" for what in ("adapter", "merged", "again"))
    model.save_pretrained(adapter)
    ids = torch.from_numpy(((hashed(f"live.ids.{name}", LENGTH) + 0.5) * VOCABULARY).astype(numpy.int64))
    expected = logits_of(model, ids)

    scores = root / "scores.safetensors"
    text = ",".join(map(str, ids.tolist()))
    concord(binary, "logits", "--model", folder, "--adapter", adapter, "--ids", text, "--out", scores)
    checks.within("logits with the adapter of peft", name, difference(load_file(scores)["logits"], expected), LOGITS)

    told = concord(binary, "inspect", adapter)
    checks.that(f"{name}: inspect says {told}", told["adapter"] == model.peft_config["default"].peft_type.value and told["base_model"] == str(folder))

    concord(binary, "merge", "--model", folder, "--adapter", adapter, "--out", merged)
    checks.within("logits of the merged folder", name, difference(logits_of(base_of(merged), ids), expected), LOGITS)

    concord(binary, "adapter", "--model", folder, "--from", adapter, "--out", again, *(["--bone"] if name.startswith("bone") else []))
    ours, theirs = (load_file(f / "adapter_model.safetensors") for f in (again, adapter))
    checks.that(f"{name}: tensors written anew differ", ours.keys() == theirs.keys() and all(torch.equal(ours[n], theirs[n]) for n in ours))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # peft only warns about tensors that have no place
        warnings.filterwarnings("ignore", "Bone will be removed")
        read = peft.PeftModel.from_pretrained(base_of(folder), again).eval()
    checks.that(f"{name}: peft reads other values", torch.equal(logits_of(read, ids), expected))

    theirs = dict(model.merge_and_unload().named_parameters())
    ours = dict(base_of(merged).named_parameters())
    gap = max((difference(ours[n], theirs[n]) / theirs[n].abs().max().item()) for n in theirs)
    checks.within("merged weights", name, gap, WEIGHTS)

    greedy = ["generate", "--model", folder, "--adapter", adapter, "--prompt-ids", text, "--max-new", 12, "--greedy", "--ignore-eos"]
    theirs = read.generate(
        input_ids=ids[None], attention_mask=torch.ones_like(ids[None]), max_new_tokens=12, do_sample=False,
        eos_token_id=None, pad_token_id=0, output_logits=True, return_dict_in_generate=True,
    )
    best = torch.stack(theirs.logits, 1)[0].topk(2).values
    # A near tie may fall either way.
    clear = int((best[:, 0] - best[:, 1] > 1e-3).long().cumprod(0).sum())
    wanted = theirs.sequences[0, LENGTH:].tolist()[:clear]
    checks.that(f"{name}: another continuation", concord(binary, *greedy)["ids"][:clear] == wanted)


def fresh(checks, binary, root, form, words, config):
    """A new adapter: read by peft, it changes nothing, and A has the bounds that peft draws within."""
    folder, target = root / "llama", root / f"fresh-{form}"
    concord(binary, "adapter", "--model", folder, "--out", target, "--seed", 7, *words)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        read = peft.PeftModel.from_pretrained(base_of(folder), target).eval()
    ids = torch.arange(20) + 3
    checks.that(f"{form}: a fresh adapter changes the outputs", torch.equal(logits_of(read, ids), logits_of(base_of(folder), ids)))
    model = peft.get_peft_model(base_of(folder), config)
    theirs = {n.replace(".default", ""): p for n, p in model.named_parameters() if p.requires_grad}
    ours = load_file(target / "adapter_model.safetensors")
    checks.that(f"{form}: other tensors", {n: t.shape for n, t in ours.items()} == {n: t.shape for n, t in theirs.items()})
    for n in ours:
        spread = [values.double().abs().max().item() for values in (ours[n], theirs[n])]
        checks.that(f"{form}: {n} drawn within {spread}", abs(spread[0] - spread[1]) <= 0.05 * spread[1])
    options, defaults = read.peft_config["default"].to_dict(), config.to_dict()
    for key in ("r", "lora_alpha", "use_rslora", "mini_r", "init_weights", "lora_dropout", "peft_type"):
        checks.that(f"{form}: {key} is {options.get(key)}", options.get(key) == defaults.get(key))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--concord", required=True)
    binary = str(pathlib.Path(parser.parse_args().concord).resolve())
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    warnings.simplefilter("ignore", FutureWarning)
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name in CASES:
            if name.startswith("bone") == hasattr(peft, "BoneConfig"):
                case(checks, binary, root, name)
        if not hasattr(peft, "BoneConfig"):
            seven = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
            lora = peft.LoraConfig(r=32, lora_alpha=24, use_rslora=True, target_modules=seven, task_type="CAUSAL_LM")
            fresh(checks, binary, root, "lora", ["--rank", 32, "--alpha", 24, "--rank-stabilised"], lora)
            mini = peft.MissConfig(r=8, mini_r=16, init_weights="mini", target_modules=["q_proj", "up_proj"], task_type="CAUSAL_LM")
            fresh(checks, binary, root, "mini", ["--form", "miss", "--rank", 8, "--mini", 16, "--targets", "q_proj,up_proj"], mini)
            bat = peft.MissConfig(r=16, init_weights="bat", target_modules=["o_proj"], task_type="CAUSAL_LM")
            fresh(checks, binary, root, "bat", ["--form", "bat", "--rank", 16, "--targets", "o_proj"], bat)
    for what, value in checks.worst.items():
        print(f"{what}: at most {value:.1e}")
    print(f"peft {peft.__version__}: {checks.passed} passed, {checks.failed} failed")
    sys.exit(checks.failed > 0)
