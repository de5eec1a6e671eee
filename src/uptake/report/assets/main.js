// What the page does: the address holds the chosen example and the filters, everything else follows from it.

const FILTERS = ['q', 'cause', 'source', 'stage', 'state', 'forgotten'];
const COLUMNS = ['finding', 'prompt', 'response', 'says', 'p', 'source', 'stage'];
const PRINTED = 200; // rows of the table on paper
const COPIED = 5000; // examples that one click copies
const input = Object.fromEntries(FILTERS.map((name) => [name, document.getElementById(name)]));
let table, opener;

// `#ex=ID&of=STAGE&cause=…`; a plus is a plus. An address that is only a section's name holds nothing.
function route() {
  const found = {};
  for (const part of location.hash.slice(1).split('&')) {
    const at = part.indexOf('=');
    if (at < 1) continue;
    try {
      found[part.slice(0, at)] = decodeURIComponent(part.slice(at + 1));
    } catch {
      found[part.slice(0, at)] = part.slice(at + 1);
    }
  }
  return found;
}

// What is chosen: filters, the order, and the example that is open.
let state = { filters: {}, sort: undefined, ex: undefined, of: undefined };
let selected, request;

// The address as a state. A section's name closes the drawer; an example alone leaves the filters as they are.
function read() {
  const { ex, of, ...rest } = route();
  const sort = COLUMNS.includes(rest.sort?.replace('-', '')) ? rest.sort : undefined;
  const filters = Object.fromEntries(FILTERS.filter((name) => rest[name]).map((name) => [name, rest[name]]));
  if (!Object.keys(filters).length && !sort) return { ...state, ex, of };
  return { filters, sort, ex, of };
}

function go({ filters, ...changes }, replace = false) {
  const next = { ...state, ...changes, filters: { ...state.filters, ...filters } };
  for (const name of FILTERS) if (!next.filters[name]) delete next.filters[name];
  const parts = Object.entries({ ex: next.ex, of: next.of, ...next.filters, sort: next.sort }).filter(([, value]) => value !== undefined);
  const hash = parts.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&') || 'examples';
  history[replace ? 'replaceState' : 'pushState'](null, '', `#${hash}`);
  follow(next);
}

async function follow(next) {
  state = next;
  const wanted = JSON.stringify([state.filters, state.sort]);
  if (wanted !== selected) {
    selected = wanted;
    for (const name of FILTERS) if (input[name].value !== (state.filters[name] ?? '')) input[name].value = state.filters[name] ?? '';
    table.select(state.filters, state.sort);
    for (const head of document.querySelectorAll('thead [data-sort]')) {
      const name = head.dataset.sort, direction = { [name]: 'ascending', [`-${name}`]: 'descending' }[state.sort];
      if (direction) head.parentElement.setAttribute('aria-sort', direction);
      else head.parentElement.removeAttribute('aria-sort');
    }
    tell();
  }
  if (state.ex === undefined) { shut(); return; }
  const place = table.find(state.ex, state.of);
  if (place < 0) {
    shut();
    document.getElementById('tally').textContent = `There is no example ${visible(state.ex)}.`;
    return;
  }
  const position = table.order.indexOf(place), row = table.row(place), mine = (request = {});
  if (drawer.hidden) opener = document.activeElement;
  if (position >= 0) table.activate(position, false);
  const nodes = await caseOf(row, position, actions(row, position), (id) => table.find(id));
  if (request === mine) show(nodes); // else another one was asked for meanwhile
}

function actions(row, position) {
  return {
    count: () => table.order.length,
    step: (by) => move(position + by),
    close: () => go({ ex: undefined, of: undefined }),
    link: async () => { await copy(`${location.href.split('#')[0]}#${caseLink(row)}`); announce('Link copied.'); },
    copy: async () => { await copy(`${await line(row)}\n`); announce('Copied.'); },
  };
}

function move(position) {
  if (position < 0 || position >= table.order.length) return;
  const row = table.row(table.order[position]);
  go({ ex: row.id, of: row.stage }, true);
}

function shut() {
  request = undefined;
  if (drawer.hidden) return;
  drawer.hidden = true;
  document.body.classList.remove('case');
  const back = opener?.isConnected && opener !== document.body ? opener : body.querySelector('tr.active a');
  back?.focus({ preventScroll: true });
}

function tell() {
  const n = table.order.length;
  document.getElementById('tally').textContent =
    n === table.length ? `${counted(n)} examples` : `${counted(n)} of ${counted(table.length)} examples`;
  document.getElementById('copy-all').hidden = n === 0 || n > COPIED;
}

// An example as a line of JSON, as in diagnosis.jsonl but with six digits.
async function line(row) {
  const one = await detail(row.place);
  return JSON.stringify({
    id: row.id, source: row.source, stage: row.stage, prompt: full(one.prompt), response: full(one.response),
    learned: row.state > 0, shallow: row.state === 1, forgotten: row.forgotten === null ? null : Boolean(row.forgotten),
    p_response: one.p_response, p_option: one.p_option, cause: row.cause >= 0 ? CAUSES[row.cause].name : null,
    ...Object.fromEntries(CAUSES.slice(0, -1).map(({ name }) => [`cause_${name}`, one.causes[name] ?? null])),
    evidence: one.evidence,
  });
}

function options(select, values, all) {
  select.replaceChildren(h('option', { value: '' }, all), ...values.map(([value, text]) => h('option', { value }, visible(text).slice(0, 60))));
}

function prepare({ index }) {
  const count = (column, n) => index[column].reduce((sums, code) => { if (code >= 0) sums[code] += 1; return sums; }, new Array(n).fill(0));
  const causes = count('cause', CAUSES.length), states = count('state', 3);
  const named = (names, sums) => names.map((name, i) => [name, `${name} (${counted(sums[i])})`]);
  options(input.cause, CAUSES.map((one, i) => [one.name, `${one.title} (${counted(causes[i])})`]).filter((_, i) => causes[i]), 'any');
  options(input.source, named(index.sources, count('source', index.sources.length)), 'all');
  options(input.stage, named(index.stages, count('stage', index.stages.length)), 'all');
  options(input.state, named(STATES, states), 'any');
  options(input.forgotten, [['1', 'yes'], ['0', 'no']], 'any');
}

function keys(event) {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === 'Escape') {
    if (!drawer.hidden) go({ ex: undefined, of: undefined });
    else if (event.target === input.q && input.q.value) go({ filters: { q: '' } }, true);
    else if (typing) event.target.blur();
    else return;
  } else if (event.key === '/' && !typing) input.q.focus();
  else if (!drawer.hidden && !typing && (event.key === 'ArrowLeft' || event.key === 'ArrowRight')) {
    move(table.active + (event.key === 'ArrowRight' ? 1 : -1));
  } else if (scroller.contains(event.target) || event.target === input.q) {
    const page = Math.max(1, Math.floor(scroller.clientHeight / table.height) - 2);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    const inQuery = event.target === input.q;
    if (inQuery && event.key === 'Enter') move(table.active);
    else if (inQuery && event.key === 'ArrowDown') table.activate(table.active);
    else if (!inQuery && event.key in steps && event.target.tagName !== 'BUTTON') table.activate(table.active + steps[event.key]);
    else return;
  } else return;
  event.preventDefault();
}

function wire() {
  let typed;
  input.q.addEventListener('input', () => { clearTimeout(typed); typed = setTimeout(() => go({ filters: { q: input.q.value }, ex: undefined, of: undefined }, true), 80); });
  for (const name of FILTERS.slice(1)) input[name].addEventListener('change', () => go({ filters: { [name]: input[name].value }, ex: undefined, of: undefined }, true));
  const form = document.getElementById('filters');
  form.addEventListener('submit', (event) => event.preventDefault());
  form.addEventListener('reset', (event) => { event.preventDefault(); go({ filters: Object.fromEntries(FILTERS.map((name) => [name, ''])), sort: undefined }, true); });
  for (const head of document.querySelectorAll('thead [data-sort]')) {
    const name = head.dataset.sort, next = { [name]: `-${name}`, [`-${name}`]: undefined };
    head.addEventListener('click', () => go({ sort: state.sort in next ? next[state.sort] : name }, true));
  }
  body.addEventListener('click', (event) => {
    const chosen = event.target.closest('tr');
    if (!chosen || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const row = table.row(table.order[chosen.dataset.position]);
    go({ ex: row.id, of: row.stage });
  });
  document.getElementById('copy-all').addEventListener('click', async () => {
    const lines = [];
    for (const place of Array.from(table.order).sort((a, b) => a - b)) lines.push(await line(table.row(place)));
    await copy(`${lines.join('\n')}\n`);
    announce(`${counted(lines.length)} examples copied.`);
  });
  addEventListener('keydown', keys);
  addEventListener('popstate', () => follow(read()));
  addEventListener('hashchange', () => {
    const to = route();
    if (to.ex === undefined && FILTERS.some((name) => to[name] !== undefined)) document.getElementById('examples').scrollIntoView();
  });
  addEventListener('beforeprint', () => table.draw(PRINTED));
  addEventListener('afterprint', () => table.draw());
}

// Light or dark as the system says, until the button says otherwise; that is remembered where the browser allows it.
function themes() {
  const root = document.documentElement, button = document.getElementById('theme');
  const dark = () => (root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches);
  const label = () => { button.textContent = dark() ? 'Light' : 'Dark'; };
  try {
    const kept = localStorage.getItem('uptake-theme');
    if (kept) root.dataset.theme = kept;
  } catch { /* a file may have no storage */ }
  button.hidden = false;
  button.addEventListener('click', () => {
    root.dataset.theme = dark() ? 'light' : 'dark';
    label();
    try { localStorage.setItem('uptake-theme', root.dataset.theme); } catch { /* the same */ }
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', label);
  label();
}

themes();
unpack(document.getElementById('index')).then((index) => {
  table = new Table(index);
  prepare(table);
  wire();
  follow(read());
  document.documentElement.dataset.ready = 'yes';
});
