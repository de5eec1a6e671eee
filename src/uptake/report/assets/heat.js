// A long response as a heat map of its spans, by the tuned model, by the base, or by how the two differ.

const FOLDED = 900; // characters from which on a response is folded
const LISTED = 12;
const VIEWS = [['tuned', 'tuned model'], ['base', 'base'], ['difference', 'difference']];
const FOUND = ['does not count', 'learned', 'not learned', 'not known: the model went wrong before it'];
const WRONG = 2;
let view = 'tuned';

const spanOf = ([start, end, kind, state, p, top, pTop, said, base, baseTop, pBaseTop, cause, tells]) =>
  ({ start, end, kind: META.kinds[kind], state, p, top, pTop, said, base, baseTop, pBaseTop, cause, tells });

// How strongly a span is shaded: what is probable is not.
function shade(one) {
  if (one.state === 0) return '';
  if (view === 'difference') {
    if (one.base === null) return '';
    const more = one.p - one.base, size = Math.abs(more);
    const level = size < 0.1 ? 0 : size < 0.3 ? 1 : size < 0.6 ? 2 : 3;
    return level ? `${more > 0 ? 'up' : 'down'}${level}` : '';
  }
  const p = view === 'base' ? one.base : one.p;
  return p === null ? '' : ['', 'low1', 'low2', 'low3', 'low4'][[0.9, 0.5, 0.1, 0.01].filter((least) => p < least).length];
}

const quotedPart = (top) => (top === '' ? 'nothing more' : top.trim() ? h('q', null, user(top)) : 'white space');
const instead = (top, p) => (top === null ? null : [', says ', quotedPart(top), ` (${probability(p)})`]);

function told(one, text) {
  const tells = one.tells === null ? null : `, tells ${one.tells} nats`;
  return [
    h('p', null, h('b', null, user(text.slice(one.start, one.end).trim())), ` ${one.kind}: ${FOUND[one.state]}`, one.state ? tells : null,
      one.cause >= 0 ? [', ', h('span', { class: `badge cause cause-${CAUSES[one.cause].name}` }, CAUSES[one.cause].title)] : null),
    h('p', null, h('span', { class: 'k' }, 'tuned '), probability(one.p), instead(one.top, one.pTop),
      one.said ? ['; in its own words ', h('q', null, user(one.said))] : null),
    one.base === null ? null : h('p', null, h('span', { class: 'k' }, 'base '), probability(one.base), instead(one.baseTop, one.pBaseTop)),
  ];
}

const KEYS_OF_A_VIEW = {
  p: [['', '0.9 or more'], ['low1', 'below 0.9'], ['low2', 'below 0.5'], ['low3', 'below 0.1'], ['low4', 'below 0.01']],
  difference: [['up3', 'the tuned model knows it better'], ['down3', 'the base knows it better']],
};

function legend() {
  const own = KEYS_OF_A_VIEW[view === 'difference' ? 'difference' : 'p'];
  const about = view === 'difference' ? 'Probability of each part that tells something: ' : `Its probability under the ${VIEWS.find(([name]) => name === view)[1]}: `;
  return [about, own.map(([name, text]) => [' ', h('span', { class: 'heat-key' }, h('span', { class: `sp ${name}`, 'aria-hidden': 'true' }, 'ab'), ` ${text}`)]),
    view === 'difference' ? null : [' ', h('span', { class: 'heat-key' }, h('span', { class: 'sp wrong', 'aria-hidden': 'true' }, 'ab'), ' not learned')]];
}

// The response in pieces; `tip` is told of a span that is pointed at or has the focus.
function pieces(spans, text, tip) {
  const nodes = [], marks = [];
  let at = 0;
  for (const one of spans) {
    if (one.start < at) continue;
    nodes.push(visible(text.slice(at, one.start)));
    const mark = h('span', { role: 'button', tabindex: marks.length ? -1 : 0, 'aria-describedby': 'heat-tip' }, visible(text.slice(one.start, one.end)));
    marks.push({ mark, one });
    nodes.push(mark);
    at = one.end;
  }
  nodes.push(visible(text.slice(at)));
  const paint = () => marks.forEach(({ mark, one }) => { mark.className = `sp ${shade(one)}${one.state === WRONG && view !== 'difference' ? ' wrong' : ''}`; });
  const number = (node) => marks.findIndex(({ mark }) => mark === node);
  const focus = (k) => {
    if (k < 0 || k >= marks.length) return;
    for (const { mark } of marks) mark.setAttribute('tabindex', -1);
    marks[k].mark.setAttribute('tabindex', 0);
    marks[k].mark.focus();
  };
  const next = (from, step) => { // the next one that was not learned, else the next
    for (let k = from + step; k >= 0 && k < marks.length; k += step) if (marks[k].one.state === WRONG) return k;
    return from;
  };
  const show = (event) => { const k = number(event.target.closest('.sp')); if (k >= 0) tip(marks[k].one); };
  const keys = (event) => {
    const from = number(document.activeElement);
    const to = { ArrowRight: from + 1, ArrowLeft: from - 1, ArrowDown: next(from, 1), ArrowUp: next(from, -1), Home: 0, End: marks.length - 1 };
    if (from < 0 || !(event.key in to) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation(); // elsewhere these keys go to another example
    focus(to[event.key]);
  };
  return { nodes, paint, show, keys, click: (event) => focus(number(event.target.closest('.sp'))) };
}

function heatMap(one) {
  const text = full(one.response), spans = one.spans.map(spanOf), both = spans.some((span) => span.base !== null);
  if (!both) view = 'tuned';
  const tip = h('div', { id: 'heat-tip', class: 'tip' }, h('p', null, 'Point at a part of the response, or go there by Tab and the arrow keys (↓ ↑: what was not learned).'));
  const parts = pieces(spans, text, (span) => tip.replaceChildren(...told(span, text).filter(Boolean)));
  const box = h('div', { class: 'text heat', dir: 'auto', role: 'group', 'aria-label': 'The response by its parts', onmouseover: parts.show,
    onfocusin: (event) => { parts.show(event); open(); }, onkeydown: parts.keys, onclick: parts.click }, parts.nodes);
  const key = h('p', { class: 'legend' });
  const more = h('button', { type: 'button', 'aria-expanded': 'false', onclick: () => open(box.classList.contains('folded')) });
  const open = (all = true) => {
    box.classList.toggle('folded', !all);
    more.setAttribute('aria-expanded', all);
    more.textContent = all ? 'Fold' : `Show all ${counted(text.length)} characters`;
  };
  const draw = () => { parts.paint(); key.replaceChildren(...legend().flat(3).filter(Boolean)); };
  const choice = ([name, title]) => h('label', null, h('input', { type: 'radio', name: 'heat', value: name, checked: name === view,
    onchange: () => { view = name; draw(); } }), ` ${title}`);
  draw();
  if (text.length > FOLDED) open(false);
  const rest = typeof one.response === 'object' ? h('p', { class: 'legend' }, `${counted(one.response.length - text.length)} more characters are in diagnosis/diagnosis.jsonl.`) : null;
  return [both ? h('fieldset', { class: 'views' }, h('legend', null, 'Shaded by'), VIEWS.map(choice)) : null,
    box, text.length > FOLDED ? more : null, rest, key, tip, wrongParts(spans, text, both)];
}

// What was not learned once more as a table: to be read without pointing, and on paper.
function wrongParts(spans, text, both) {
  const wrong = spans.filter((one) => one.state === WRONG);
  if (!wrong.length) return null;
  const says = (p, top) => h('td', null, probability(p), top === null ? null : [', says ', quotedPart(top)]);
  return [h('table', { class: 'parts' },
    h('thead', null, h('tr', null, ['not learned', 'p, tuned', ...(both ? ['p, base'] : []), 'cause'].map((name) => h('th', { scope: 'col' }, name)))),
    h('tbody', null, wrong.slice(0, LISTED).map((one) => h('tr', null, h('td', null, user(text.slice(one.start, one.end))),
      says(one.p, one.said ?? one.top), both ? says(one.base, one.baseTop) : null,
      h('td', null, one.cause < 0 ? '–' : CAUSES[one.cause].title))))),
  wrong.length > LISTED ? h('p', { class: 'legend' }, `and ${counted(wrong.length - LISTED)} more`) : null];
}
