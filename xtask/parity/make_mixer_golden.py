"""Writes agents/tests/golden/mixer.json: QMIX's mixing network and its gradients, by PyTorch.

The network is EPyMARL's modules/mixers/qmix.py, written anew in double precision. Needs
torch 2.11; run it by hand after a change of the network:

    python xtask/parity/make_mixer_golden.py > agents/tests/golden/mixer.json

With EPyMARL's src folder as an argument, the values are first compared with its own QMixer.
"""

import json
import sys
from types import SimpleNamespace

import torch

STATE, EMBEDDING, HIDDEN, ROWS = 6, 5, 7, 9


class Mixer(torch.nn.Module):
    def __init__(self, agents, layers, state=STATE, embedding=EMBEDDING, hidden=HIDDEN):
        super().__init__()
        self.agents, self.embedding = agents, embedding

        def hypernetwork(outputs):
            if layers == 1:
                return torch.nn.Linear(state, outputs)
            first, last = torch.nn.Linear(state, hidden), torch.nn.Linear(hidden, outputs)
            return torch.nn.Sequential(first, torch.nn.ReLU(), last)

        self.hyper_w_1 = hypernetwork(agents * embedding)
        self.hyper_w_final = hypernetwork(embedding)
        self.hyper_b_1 = torch.nn.Linear(state, embedding)
        self.V = torch.nn.Sequential(torch.nn.Linear(state, embedding), torch.nn.ReLU(), torch.nn.Linear(embedding, 1))

    def forward(self, values, states):  # [.., agents], [.., state] to [.., 1]
        weight = self.hyper_w_1(states).abs().unflatten(-1, (self.agents, self.embedding))
        hidden = torch.einsum("...a,...ae->...e", values, weight) + self.hyper_b_1(states)
        last = self.hyper_w_final(states).abs()
        return (torch.nn.functional.elu(hidden) * last).sum(-1, keepdim=True) + self.V(states)


def compare_with_epymarl(source, mixer, layers, values, states):
    sys.path.insert(0, source)
    from modules.mixers.qmix import QMixer

    args = SimpleNamespace(
        n_agents=mixer.agents, state_shape=STATE, mixing_embed_dim=EMBEDDING, hypernet_layers=layers, hypernet_embed=HIDDEN
    )
    theirs = QMixer(args).double()
    theirs.load_state_dict(mixer.state_dict())
    mixed = theirs(values.view(1, ROWS, mixer.agents), states.view(1, ROWS, STATE)).view(ROWS, 1)
    assert torch.allclose(mixed, mixer(values, states), rtol=1e-12, atol=1e-12), "EPyMARL differs"


def case(agents, layers, seed):
    torch.manual_seed(seed)
    mixer = Mixer(agents, layers).double()
    values = (2 * torch.randn(ROWS, agents, dtype=torch.float64)).requires_grad_()
    states = torch.randint(-1, 6, (ROWS, STATE)).double()
    pull = torch.randn(ROWS, 1, dtype=torch.float64)
    mixed = mixer(values, states)
    (mixed * pull).sum().backward()
    if len(sys.argv) > 1:
        compare_with_epymarl(sys.argv[1], mixer, layers, values.detach(), states)
    flat = lambda tensor: tensor.detach().flatten().tolist()
    return {
        "agents": agents,
        "hypernet_layers": layers,
        "weights": {f"mixer.{name}": flat(p) for name, p in mixer.named_parameters()},
        "gradients": {f"mixer.{name}": flat(p.grad) for name, p in mixer.named_parameters()},
        "values": flat(values),
        "states": flat(states),
        "pull": flat(pull),
        "mixed": flat(mixed),
        "values_gradient": flat(values.grad),
    }


if __name__ == "__main__":
    shape = {"state": STATE, "embedding": EMBEDDING, "hypernet": HIDDEN, "rows": ROWS}
    print(json.dumps(shape | {"cases": [case(2, 1, 1), case(2, 2, 2), case(4, 2, 3)]}))
