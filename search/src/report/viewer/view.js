// The page over the replay. Texts of the log become text nodes, never markup.

const ROW = 22, INDENT = 14, DEEPEST = 24, REPLAY_SECONDS = 30, SMALL_TREE = 300;
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];
const DASHES = [[], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4], [1, 4]];

function start(document, log) {
  const find = (id) => document.getElementById(id);
  const make = (name, className, text) => {
    const element = document.createElement(name);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const children = childrenOf(log);
  const lines = leftOverTime(log);
  const depths = [];
  log.nodes.forEach((node) => depths.push(node[1] === null ? 0 : depths[node[1]] + 1));
  const view = {
    state: seek(log, beginning(log), log.steps.length), order: 'age', opened: new Map(), rows: [],
    best: [], onBest: new Set(), selected: 0, follow: false, playing: false, clock: 0, since: 0, needle: '',
  };

  const isOpen = (place) => {
    if (view.opened.has(place)) return view.opened.get(place);
    return view.state.nodes <= SMALL_TREE || depths[place] < 2 || view.onBest.has(place);
  };
  const matches = (place) => view.needle && `${log.nodes[place][2]} ${log.nodes[place][3]}`.toLowerCase().includes(view.needle);

  function arrange() {
    view.best = bestPath(log, view.state, children);
    view.onBest = new Set(view.best);
    if (view.follow && view.best.length) {
      view.best.forEach((place) => view.opened.delete(place));
      view.selected = view.best[view.best.length - 1];
    }
    view.rows = rowsOf(log, view.state, children, view.order, isOpen);
    if (view.selected >= view.state.nodes) view.selected = Math.max(0, view.state.nodes - 1);
    draw();
  }
  function goTo(position) { view.state = seek(log, view.state, position); arrange(); }
  const cursor = () => view.rows.findIndex((row) => row.place === view.selected);
  function select(place, follow) {
    view.selected = place;
    view.follow = !!follow;
    for (const above of pathTo(log, place).slice(0, -1)) if (!isOpen(above)) view.opened.set(above, true);
    arrange();
    show();
  }
  function show() {
    const tree = find('tree'), top = cursor() * ROW;
    if (top < tree.scrollTop) tree.scrollTop = top;
    else if (top + ROW > tree.scrollTop + tree.clientHeight) tree.scrollTop = top + ROW - tree.clientHeight;
    drawRows();
  }
  function move(by) {
    if (!view.rows.length) return;
    const at = Math.max(0, Math.min(view.rows.length - 1, cursor() + by));
    view.follow = false;
    view.selected = view.rows[at].place;
    draw();
    show();
  }
  function fold(row, open) { view.follow = false; view.opened.set(row.place, open); arrange(); }
  function foldAll(open) {
    view.follow = false;
    for (let place = 0; place < log.nodes.length; place += 1) view.opened.set(place, open);
    if (!open) { view.selected = pathTo(log, view.selected)[0] || 0; }
    arrange();
    show();
  }

  function drawHead() {
    find('question').textContent = log.question.text || log.question.id || 'search';
    const verdict = find('verdict'), answer = chosenAnswer(log, view.state);
    verdict.replaceChildren();
    if (answer) {
      const sign = { true: 'right: ', false: 'wrong: ' }[String(answer.correct)] || 'answer: ';
      verdict.append(make('span', { 'right: ': 'good', 'wrong: ': 'bad' }[sign] || '', sign + answer.text));
      if (answer.backstop) verdict.append(make('span', 'muted', '  (forced: the budget ran out)'));
    } else verdict.append(make('span', 'muted', view.state.ended === null ? `${view.state.nodes} nodes, no answer yet` : 'ended without an answer'));
    const facts = [];
    if (log.question.expected.length) facts.push(`expected: ${log.question.expected.join(' | ')}`);
    if (log.question.policy) facts.push(`method: ${log.question.policy}`);
    if (log.total) facts.push(`cost: ${log.total}`);
    if (view.state.ended) facts.push(`ended: ${view.state.ended}`);
    if (log.violations) facts.push(`${log.violations} jobs cost more than they were allowed`);
    if (log.refused) facts.push(`${log.refused} lines of the log refused`);
    verdict.append(make('span', 'muted', `   ${facts.join('   ')}`));
  }
  function drawBudgets() {
    const budgets = find('budgets');
    budgets.replaceChildren();
    log.resources.forEach((name, index) => {
      const spent = view.state.spent[index], limit = view.state.limits[index];
      const box = make('div', 'budget');
      const over = limit !== null && spent > limit * (1 + 1e-9);
      const ceiling = limit === null ? '' : ` of ${short(limit)}`;
      box.append(make('div', over ? 'bad' : '', `${name.replace(/_/g, ' ')} ${short(spent)}${ceiling}${over ? ' EXCEEDED' : ''}`));
      const bar = make('div', 'bar'), fill = make('div');
      const share = limit === null ? 0 : limit > 0 ? Math.min(1, spent / limit) : 1;
      fill.style.width = `${share * 100}%`;
      fill.style.background = COLOURS[index % COLOURS.length];
      bar.append(fill);
      box.append(bar);
      budgets.append(box);
    });
  }
  function drawChart() {
    const canvas = find('chart'), width = canvas.clientWidth || 600, height = 90;
    const scale = (typeof devicePixelRatio === 'number' && devicePixelRatio) || 1;
    canvas.width = width * scale;
    canvas.height = height * scale;
    const pen = canvas.getContext('2d');
    if (!pen) return;
    pen.scale(scale, scale);
    pen.clearRect(0, 0, width, height);
    const total = timeAfter(log, log.steps.length) || 1;
    const x = (time) => (time / total) * (width - 2) + 1, y = (share) => (1 - share) * (height - 6) + 3;
    lines.forEach((line, index) => {
      if (line.length < 2) return;
      pen.strokeStyle = COLOURS[index % COLOURS.length];
      pen.setLineDash(DASHES[index % DASHES.length]);
      pen.lineWidth = 2;
      pen.beginPath();
      pen.moveTo(x(0), y(1));
      let before = 1;
      for (const [time, share] of line) { pen.lineTo(x(time), y(before)); pen.lineTo(x(time), y(share)); before = share; }
      pen.lineTo(x(total), y(before));
      pen.stroke();
    });
    pen.setLineDash([]);
    pen.strokeStyle = '#888';
    pen.lineWidth = 1;
    pen.beginPath();
    const now = x(timeAfter(log, view.state.position));
    pen.moveTo(now, 0);
    pen.lineTo(now, height);
    pen.stroke();
  }
  function drawControls() {
    find('slider').max = log.steps.length;
    find('slider').value = view.state.position;
    find('play').textContent = view.playing ? 'stop' : 'play';
    const ratio = view.state.ratio === null ? '' : `  tightest ${Math.round(view.state.ratio * 100)}% left`;
    find('place').textContent = `${timeAfter(log, view.state.position).toFixed(1)} of ${timeAfter(log, log.steps.length).toFixed(1)} s  step ${view.state.position}/${log.steps.length}${ratio}`;
    find('order').value = view.order;
  }
  function rowElement(row, index) {
    const { place } = row, [id, , role, text] = log.nodes[place], { state } = view;
    const classes = ['row'];
    if (place === view.selected) classes.push('selected');
    if (view.onBest.has(place)) classes.push('best');
    if (state.pruned[place] !== null) classes.push('pruned');
    if (matches(place)) classes.push('found');
    const element = make('div', classes.join(' '));
    element.style.top = `${index * ROW}px`;
    element.style.paddingLeft = `${Math.min(row.depth, DEEPEST) * INDENT}px`;
    element.setAttribute('role', 'treeitem');
    element.setAttribute('aria-level', row.depth + 1);
    element.setAttribute('aria-selected', place === view.selected);
    if (row.children) element.setAttribute('aria-expanded', row.open);
    const toggle = make('span', 'fold', row.children ? (row.open ? '\u25be' : '\u25b8') : '\u00b7');
    toggle.addEventListener('click', (event) => { if (row.children) { event.stopPropagation(); fold(row, !row.open); } });
    const value = make('span', 'value', state.value[place] === null ? '-' : state.value[place].toFixed(2));
    if (state.value[place] !== null) [value.style.background, value.style.color] = valueColour(state.value[place]);
    const answered = state.answers.some((answer) => log.answers[answer].node === place);
    const deep = row.depth > DEEPEST ? `(+${row.depth - DEEPEST}) ` : '';
    const signs = `${view.onBest.has(place) ? '> ' : ''}${state.pruned[place] !== null ? '\u2717 ' : ''}${answered ? '= ' : ''}`;
    const words = make('span', 'words', `${deep}${signs}${id} ${role}: ${text.slice(0, 300)}`);
    element.append(toggle, value, words, make('span', 'figure', `${state.visits[place]} visits`), make('span', 'figure', short(state.cost[place][0] || 0)));
    element.addEventListener('click', () => { view.follow = false; view.selected = place; draw(); });
    return element;
  }
  // Only the rows in sight are in the page.
  function drawRows() {
    const tree = find('tree'), rows = find('rows');
    rows.style.height = `${view.rows.length * ROW}px`;
    const first = Math.max(0, Math.floor(tree.scrollTop / ROW) - 5);
    const last = Math.min(view.rows.length, first + Math.ceil((tree.clientHeight || 600) / ROW) + 10);
    const drawn = [];
    for (let index = first; index < last; index += 1) drawn.push(rowElement(view.rows[index], index));
    rows.replaceChildren(...drawn);
  }
  function table(pairs) {
    const table = make('table');
    for (const [name, text, className] of pairs) {
      const row = make('tr');
      row.append(make('th', '', name), make('td', className || '', text));
      table.append(row);
    }
    return table;
  }
  function drawStep() {
    const box = find('step'), place = view.selected, { state } = view;
    box.replaceChildren();
    if (place >= state.nodes) return;
    const [id, parent, role, text] = log.nodes[place];
    box.append(make('h2', '', `node ${id} (${role || 'step'})`), make('pre', '', text));
    for (const number of state.answers) {
      const answer = log.answers[number];
      if (answer.node !== place) continue;
      const judged = { true: ' - right', false: ' - wrong' }[String(answer.correct)] || '';
      box.append(make('pre', answer.correct ? 'good' : '', `= ${answer.text}${judged}${answer.chosen ? ' - chosen' : ''}${answer.backstop ? ' - forced' : ''}`));
    }
    const pairs = [['value', short(state.value[place])], ['visits', String(state.visits[place])]];
    if (state.delta[place] !== null) pairs.push(['critic', `${state.delta[place] > 0 ? '+' : ''}${short(state.delta[place])}`]);
    if (state.probability[place] !== null) pairs.push(['last selected with', `${(state.probability[place] * 100).toFixed(1)}%`]);
    log.resources.forEach((name, index) => { if (state.cost[place][index]) pairs.push([name.replace(/_/g, ' '), short(state.cost[place][index])]); });
    if (state.pruned[place] !== null) pairs.push(['pruned', state.pruned[place] || 'yes', 'bad']);
    box.append(table(pairs));
    const history = state.why[place];
    if (history.length > 1 || (history.length && history[0][3])) {
      box.append(make('div', 'muted', 'values'));
      box.append(table(history.map(([step, value, delta, why]) => [`${timeAfter(log, step + 1).toFixed(1)} s`, `${short(value)}${delta === null ? '' : ` (${delta > 0 ? '+' : ''}${short(delta)})`}  ${why}`])));
    }
    if (parent !== null) {
      box.append(make('div', 'muted', 'path'));
      for (const above of pathTo(log, place).slice(0, -1)) {
        const link = make('button', 'link', `${log.nodes[above][0]} ${log.nodes[above][2]}: ${log.nodes[above][3].slice(0, 120)}`);
        link.addEventListener('click', () => select(above));
        const line = make('div');
        line.append(link);
        box.append(line);
      }
    }
  }
  function drawMore() {
    const more = find('more');
    const fold = (title, body) => {
      const details = make('details');
      details.append(make('summary', '', title), body);
      more.append(details);
    };
    if (log.cost) {
      const rows = log.cost.lines.map((line) => [line.what, `${short(line.amount)} x ${line.price} = ${line.money.toPrecision(4)}`]);
      rows.push(['total', log.total]);
      if (log.cost.date) rows.push(['prices of', log.cost.date]);
      if (log.cost.note) rows.push(['note', log.cost.note]);
      fold(`cost ${log.total}`, table(rows));
    }
    if (log.plan) fold('plan', make('pre', '', log.plan));
    if (log.settings) fold('settings', make('pre', '', JSON.stringify(log.settings, null, 1)));
  }
  function draw() { drawHead(); drawBudgets(); drawChart(); drawControls(); drawRows(); drawStep(); }

  const now = () => performance.now() / 1000;
  function play(on) {
    view.playing = on && log.steps.length > 0;
    if (view.playing) {
      if (view.state.position >= log.steps.length) view.state = beginning(log);
      view.clock = timeAfter(log, view.state.position);
      view.since = now();
      requestAnimationFrame(tick);
    }
    arrange();
  }
  function tick() {
    if (!view.playing) return;
    const speed = Math.max(1, timeAfter(log, log.steps.length) / REPLAY_SECONDS);
    view.clock += Math.min(1, Math.max(0, now() - view.since)) * speed;
    view.since = now();
    const position = stepsAt(log, view.clock);
    if (position >= log.steps.length) view.playing = false;
    if (position !== view.state.position || !view.playing) goTo(position);
    if (view.playing) requestAnimationFrame(tick);
  }
  function step(by) { view.playing = false; goTo(view.state.position + by); }
  function nextMatch(by) {
    if (!view.needle || !view.state.nodes) return;
    for (let count = 1; count <= view.state.nodes; count += 1) {
      const place = (((view.selected + by * count) % view.state.nodes) + view.state.nodes) % view.state.nodes;
      if (matches(place)) { select(place); return; }
    }
  }
  function nextOrder() {
    const orders = ['age', 'value', 'visits', 'cost'];
    view.order = orders[(orders.indexOf(view.order) + 1) % orders.length];
    arrange();
  }
  const page = () => Math.max(1, Math.floor((find('tree').clientHeight || 440) / ROW) - 1);
  const keys = {
    j: () => move(1), ArrowDown: () => move(1), k: () => move(-1), ArrowUp: () => move(-1),
    g: () => move(-Infinity), Home: () => move(-Infinity), G: () => move(Infinity),
    PageDown: () => move(page()), PageUp: () => move(-page()),
    h: () => {
      const row = view.rows[cursor()];
      if (row && row.open) fold(row, false);
      else if (row && log.nodes[row.place][1] !== null) select(log.nodes[row.place][1]);
    },
    l: () => {
      const row = view.rows[cursor()];
      if (row && row.children && !row.open) fold(row, true);
      else if (row && row.open) move(1);
    },
    ' ': () => play(!view.playing), ',': () => step(-1), '.': () => step(1),
    0: () => step(-Infinity), $: () => step(Infinity), End: () => step(Infinity),
    o: nextOrder, b: () => { view.follow = !view.follow; arrange(); show(); },
    E: () => foldAll(true), C: () => foldAll(false),
    '/': () => find('find').focus(), n: () => nextMatch(1), N: () => nextMatch(-1),
  };
  keys.ArrowLeft = keys.h;
  keys.ArrowRight = keys.l;
  document.addEventListener('keydown', (event) => {
    const typing = event.target && /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName || '');
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (typing) {
      if (event.key === 'Enter' && event.target.id === 'find') { nextMatch(1); find('tree').focus(); }
      else if (event.key === 'Escape') find('tree').focus();
      return;
    }
    if (event.key === ' ' && event.target && event.target.tagName === 'BUTTON') return;
    if (!Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });
  find('tree').addEventListener('scroll', drawRows);
  find('start').addEventListener('click', () => step(-Infinity));
  find('back').addEventListener('click', () => step(-1));
  find('play').addEventListener('click', () => play(!view.playing));
  find('forward').addEventListener('click', () => step(1));
  find('finish').addEventListener('click', () => step(Infinity));
  find('slider').addEventListener('input', (event) => { view.playing = false; goTo(Number(event.target.value)); });
  find('order').addEventListener('change', (event) => { view.order = event.target.value; arrange(); });
  find('find').addEventListener('input', (event) => { view.needle = event.target.value.toLowerCase(); drawRows(); });
  find('chart').addEventListener('click', (event) => {
    const total = timeAfter(log, log.steps.length);
    view.playing = false;
    goTo(stepsAt(log, (event.offsetX / (find('chart').clientWidth || 1)) * total));
  });
  if (typeof addEventListener === 'function') addEventListener('resize', draw);
  drawMore();
  arrange();
  if (view.best.length) select(view.best[view.best.length - 1]);
  return view;
}

if (typeof document !== 'undefined') start(document, JSON.parse(document.getElementById('log').textContent));
