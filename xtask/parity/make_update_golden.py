"""Writes alignment/tests/golden/update/: what TRL's trainers do to a tiny Llama in three updates.

Needs trl 1.16, torch, transformers 5, datasets, accelerate (made with the versions in expected.json); run it by hand:

    python xtask/parity/make_update_golden.py alignment/tests/golden/update

- `model/`: a Llama of 14,000 numbers that bf16 holds exactly, with a tokenizer of 128 words,
- `preferences.jsonl`: 12 rows of unequal lengths, prompt, chosen and rejected,
- `expected.json`: settings, token ids, and of each loss and optimiser the loss and the gradient's norm of each update,
- `expected.safetensors`: of each loss the first update's gradient before clipping, `gradient.LOSS.NAME`; of each loss and
  optimiser 256 evenly spread weights after the last update, `weights.LOSS.OPTIMISER`, in the order of the names.

DPOTrainer does sppo_hard, sigmoid and ipo, CPOTrainer simpo. An update is two passes of two pairs; f32, clipping at 1,
a constant learning rate, rows in order.
"""

import copy
import json
import shutil
import sys
import tempfile
from pathlib import Path

import datasets
import numpy
import tokenizers
import torch
import transformers
import trl
from safetensors.numpy import save_file
from torch.utils.data import SequentialSampler
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer
from trl.experimental.cpo import CPOConfig, CPOTrainer

WORDS, PASS, PASSES, UPDATES, SAMPLES = 128, 2, 2, 3, 256

LOSSES = {
    "sppo_hard": (DPOTrainer, DPOConfig, dict(loss_type=["sppo_hard"], beta=1e-3)),
    "sigmoid": (DPOTrainer, DPOConfig, dict(loss_type=["sigmoid"], beta=0.1)),
    "ipo": (DPOTrainer, DPOConfig, dict(loss_type=["ipo"], beta=0.1)),
    "simpo": (CPOTrainer, CPOConfig, dict(loss_type="simpo", beta=2.0, simpo_gamma=0.5, cpo_alpha=0.0)),
}
OPTIMISERS = {
    "adamw": dict(optim="adamw_torch", learning_rate=1e-3, weight_decay=0.1),
    "rmsprop": dict(optim="rmsprop", learning_rate=1e-4, weight_decay=0.0),
    "sgd": dict(optim="sgd", learning_rate=0.1, weight_decay=0.0),
}


def tokenizer_of():
    words = ["<pad>", "</s>", "<unk>"] + [f"w{number}" for number in range(3, WORDS)]
    model = tokenizers.models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>")
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")


def model_of():
    torch.manual_seed(3)
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=WORDS, hidden_size=32, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=1, max_position_embeddings=128, initializer_range=0.2, tie_word_embeddings=True,
        bos_token_id=None, eos_token_id=1, pad_token_id=0,
    ))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name:
                weight.copy_(1 + 0.2 * torch.randn_like(weight))
    return model.to(torch.bfloat16)


def rows():
    generator = torch.Generator().manual_seed(5)
    number = lambda low, high: int(torch.randint(low, high, (), generator=generator))
    words = lambda count: " ".join(f"w{number(3, WORDS)}" for _ in range(count))
    # The space before a response belongs to it: a prompt's ids are a prefix of the whole's.
    count = PASS * PASSES * UPDATES
    return [dict(prompt=words(number(3, 14)), chosen=" " + words(number(1, 12)), rejected=" " + words(number(1, 12))) for _ in range(count)]


def recording(kind):
    class Recording(kind):
        """The trainer itself; it keeps what each pass and each whole gradient was."""

        def _get_train_sampler(self, *_):
            return SequentialSampler(self.train_dataset)

        def training_step(self, model, inputs, *rest, **named):
            found = super().training_step(model, inputs, *rest, **named)
            self.passes = getattr(self, "passes", []) + [found.item()]
            if len(self.passes) % PASSES == 0:
                gradient = {name: p.grad.numpy().copy() for name, p in model.named_parameters()}
                self.gradients = getattr(self, "gradients", []) + [gradient]
            return found

    return Recording


def trained(folder, data, loss, optimiser):
    trainer, config, settings = LOSSES[loss]
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    named = {} if trainer is CPOTrainer else dict(ref_model=copy.deepcopy(model))
    with tempfile.TemporaryDirectory() as out:
        run = recording(trainer)(
            model=model,
            args=config(
                output_dir=out, per_device_train_batch_size=PASS, gradient_accumulation_steps=PASSES, max_steps=UPDATES,
                max_grad_norm=1.0, lr_scheduler_type="constant", warmup_steps=0, bf16=False, use_cpu=True, max_length=128,
                gradient_checkpointing=False, save_strategy="no", report_to=[], logging_steps=1, disable_tqdm=True,
                **settings, **OPTIMISERS[optimiser],
            ),
            train_dataset=datasets.Dataset.from_list(data),
            processing_class=AutoTokenizer.from_pretrained(folder),
            **named,
        )
        run.train()
    return run


def sampled(model):
    flat = torch.cat([model.get_parameter(name).detach().flatten() for name in sorted(dict(model.named_parameters()))]).numpy()
    return flat[[place * flat.size // SAMPLES for place in range(SAMPLES)]]


def write(target):
    shutil.rmtree(target, ignore_errors=True)
    folder = target / "model"
    model_of().save_pretrained(folder)
    tokenizer_of().save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    data = rows()
    (target / "preferences.jsonl").write_text("".join(json.dumps(row) + "\n" for row in data))
    arrays, runs, ids = {}, {}, None
    for loss in LOSSES:
        for optimiser in OPTIMISERS:
            run = trained(folder, data, loss, optimiser)
            norms = [float(numpy.sqrt(sum((g.astype(numpy.float64) ** 2).sum() for g in found.values()))) for found in run.gradients]
            passes = numpy.array(run.passes).reshape(UPDATES, PASSES)
            runs[f"{loss}.{optimiser}"] = dict(losses=passes.sum(1).tolist(), gradient_norms=norms)
            arrays[f"weights.{loss}.{optimiser}"] = sampled(run.model)
            if loss == "sppo_hard":
                ids = [[row[part] for part in ("prompt_ids", "chosen_ids", "rejected_ids")] for row in run.train_dataset]
        # The first gradient does not know the optimiser.
        for name, gradient in run.gradients[0].items():
            arrays[f"gradient.{loss}.{name}"] = gradient
    save_file(arrays, target / "expected.safetensors")
    (target / "expected.json").write_text(json.dumps({
        "versions": dict(trl=trl.__version__, torch=torch.__version__.split("+")[0], transformers=transformers.__version__),
        "passes_of_an_update": PASSES,
        "rows_of_a_pass": PASS,
        "ids": ids,
        "runs": runs,
    }) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    write(Path(sys.argv[1]))
