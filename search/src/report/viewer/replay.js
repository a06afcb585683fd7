'use strict';
// The search at a moment: steps are taken forwards; going back plays them again from the start,
// which takes some milliseconds for ten thousand nodes.

function childrenOf(log) {
  const children = log.nodes.map(() => []);
  log.nodes.forEach((node, place) => { if (node[1] !== null) children[node[1]].push(place); });
  return children;
}

function beginning(log) {
  return {
    position: 0, nodes: 0, spent: log.resources.map(() => 0), limits: log.limits.slice(),
    value: [], delta: [], visits: [], probability: [], pruned: [], why: [], cost: [],
    answers: [], ratio: null, ended: null,
  };
}

function forward(log, state) {
  const [, kind, place, first, second, third] = log.steps[state.position];
  switch (kind) {
    case 'budget': state.limits[place] = first; break;
    case 'node':
      state.nodes = place + 1;
      state.value[place] = null; state.delta[place] = null; state.visits[place] = 0;
      state.probability[place] = null; state.pruned[place] = null; state.why[place] = [];
      state.cost[place] = log.resources.map(() => 0);
      break;
    case 'value':
      state.value[place] = first;
      if (second !== null) state.delta[place] = second;
      state.why[place].push([state.position, first, second, third]);
      break;
    case 'visit':
      state.visits[place] += 1; state.probability[place] = first;
      if (second !== null) state.ratio = second;
      break;
    case 'spend':
      state.spent[place] += first;
      if (second !== null) state.cost[second][place] += first;
      break;
    case 'prune': state.pruned[place] = first; break;
    case 'answer': state.answers.push(place); break;
    case 'end': state.ended = place; break;
  }
  state.position += 1;
}

function seek(log, state, position) {
  position = Math.max(0, Math.min(position, log.steps.length));
  if (position < state.position) state = beginning(log);
  while (state.position < position) forward(log, state);
  return state;
}

function timeAfter(log, position) {
  return position > 0 ? log.steps[Math.min(position, log.steps.length) - 1][0] : 0;
}

function stepsAt(log, seconds) {
  let low = 0, high = log.steps.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (log.steps[middle][0] <= seconds) low = middle + 1; else high = middle;
  }
  return low;
}

function pathTo(log, place) {
  const path = [];
  for (let at = place; at !== null && at !== undefined; at = log.nodes[at][1]) path.push(at);
  return path.reverse();
}

function chosenAnswer(log, state) {
  for (let at = state.answers.length - 1; at >= 0; at -= 1) {
    const answer = log.answers[state.answers[at]];
    if (answer.chosen) return answer;
  }
  return null;
}

// To the chosen answer; before there is one, to the leaf of highest value that was not pruned.
function bestPath(log, state, children) {
  const chosen = chosenAnswer(log, state);
  if (chosen && chosen.node !== null) return pathTo(log, chosen.node);
  let best = null;
  for (let place = 0; place < state.nodes; place += 1) {
    const leaf = !children[place].length || children[place][0] >= state.nodes;
    if (state.value[place] === null || !leaf || state.pruned[place] !== null) continue;
    if (best === null || state.value[place] > state.value[best]) best = place;
  }
  return best === null ? [] : pathTo(log, best);
}

function sorted(places, order, state) {
  const key = {
    age: () => 0,
    value: (place) => (state.value[place] === null ? -Infinity : state.value[place]),
    visits: (place) => state.visits[place],
    cost: (place) => state.cost[place][0] || 0,
  }[order];
  return places.slice().sort((one, two) => key(two) - key(one) || one - two);
}

// The rows of the open part of the tree, without recursion: a path may be as long as the log.
function rowsOf(log, state, children, order, isOpen) {
  const living = (places) => sorted(places.filter((place) => place < state.nodes), order, state);
  const roots = [];
  for (let place = 0; place < state.nodes; place += 1) if (log.nodes[place][1] === null) roots.push(place);
  const waiting = living(roots).reverse().map((place) => [place, 0]);
  const rows = [];
  while (waiting.length) {
    const [place, depth] = waiting.pop();
    const below = living(children[place]);
    const open = below.length > 0 && isOpen(place);
    rows.push({ place, depth, children: below.length, open });
    if (open) for (const child of below.reverse()) waiting.push([child, depth + 1]);
  }
  return rows;
}

// What is left of each budget with a ceiling, as (seconds, share) after every spending.
function leftOverTime(log) {
  const lines = log.resources.map(() => [[0, 1]]);
  const spent = log.resources.map(() => 0);
  for (const step of log.steps) {
    if (step[1] !== 'spend' || !log.limits[step[2]]) continue;
    spent[step[2]] += step[3];
    lines[step[2]].push([step[0], Math.max(0, 1 - spent[step[2]] / log.limits[step[2]])]);
  }
  return lines;
}

// A value as a colour that is told apart in any colour vision, and the letters' colour on it.
function valueColour(value) {
  const stops = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
  const at = Math.max(0, Math.min(1, value)) * (stops.length - 1);
  const low = Math.min(Math.floor(at), stops.length - 2);
  const mix = stops[low].map((part, index) => Math.round(part + (stops[low + 1][index] - part) * (at - low)));
  const light = 0.299 * mix[0] + 0.587 * mix[1] + 0.114 * mix[2] > 130;
  return [`rgb(${mix.join(',')})`, light ? '#000' : '#fff'];
}

function short(value) {
  if (value === null || value === undefined) return '-';
  const size = Math.abs(value);
  if (size >= 1e6) return `${+(value / 1e6).toFixed(2)}M`;
  if (size >= 1e4) return `${+(value / 1e3).toFixed(1)}k`;
  return String(+value.toFixed(3));
}
