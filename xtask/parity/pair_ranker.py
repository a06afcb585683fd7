"""PairRM from its definition (Jiang et al. 2023, and the model card of llm-blender/PairRM-hf).

The encoder is transformers' own. Only the head is ours: the vectors of the three markers in the
last layer, `h(source, candidate)` as two products with a tanh between, and the difference. The
tensors have the names of the published weights.
"""

from types import SimpleNamespace

import torch
from transformers import DebertaV2Model
from transformers.models.deberta_v2.modeling_deberta_v2 import DebertaV2PreTrainedModel

SOURCE_LIMIT, TOTAL_LIMIT = 1224, 2048


class PairRanker(DebertaV2PreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        width = config.hidden_size
        self.pretrained_model = DebertaV2Model(config)
        silent = torch.nn.Identity()  # dropout, which inference leaves out
        self.head_layer = torch.nn.Sequential(
            silent, torch.nn.Linear(2 * width, width), torch.nn.Tanh(), silent, torch.nn.Linear(width, config.n_tasks)
        )
        self.post_init()

    def forward(self, input_ids, attention_mask):
        vectors = self.pretrained_model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        config = self.config
        source, first, second = (
            vectors[input_ids == marker] for marker in (config.source_prefix_id, config.cand1_prefix_id, config.cand2_prefix_id)
        )
        left, right = (self.head_layer(torch.cat([source, candidate], dim=-1)) for candidate in (first, second))
        return SimpleNamespace(logits=(left - right).mean(-1))


def ids_of(tokenizer, source, first, second, source_limit=SOURCE_LIMIT, total_limit=TOTAL_LIMIT):
    """The ids of one comparison: what the source leaves of the limit is halved between the candidates."""
    ids = tokenizer.encode("<|source|>" + source, max_length=source_limit, truncation=True)
    left = (total_limit - len(ids)) // 2
    for marker, candidate in (("<|candidate1|>", first), ("<|candidate2|>", second)):
        ids = ids + tokenizer.encode(marker + candidate, max_length=left, truncation=True)
    return ids
