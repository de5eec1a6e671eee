// The table: all examples filtered and sorted, of which only the rows in sight are in the document.

const scroller = document.getElementById('scroller');
const [above, body, below] = ['above', 'rows', 'below'].map((id) => document.getElementById(id));
const OVER = 10; // rows beyond either edge, so that a quick scroll shows no gap

class Table {
  constructor(index) {
    this.index = index;
    this.length = index.id.length;
    this.order = Uint32Array.from({ length: this.length }, (_, place) => place);
    this.active = 0;
    this.height = 32;
    scroller.hidden = false;
    scroller.addEventListener('scroll', () => this.soon(), { passive: true });
    addEventListener('resize', () => { this.measured = false; this.soon(); });
  }

  row(place) {
    const { index } = this;
    return {
      place, id: index.id[place], source: index.sources[index.source[place]], stage: index.stages[index.stage[place]],
      cause: index.cause[place], state: index.state[place], forgotten: index.forgotten[place], p: index.p[place],
      prompt: index.prompt[place], response: index.response[place], says: index.says[place],
    };
  }

  // The place of an example in the diagnosis; -1 when there is none.
  find(id, stage) {
    const { index } = this;
    for (let place = index.id.indexOf(id); place >= 0; place = index.id.indexOf(id, place + 1)) {
      if (stage === undefined || index.stages[index.stage[place]] === stage) return place;
    }
    return -1;
  }

  texts() {
    const { index } = this;
    this.lower ??= index.id.map((id, i) =>
      `${id}\n${index.prompt[i]}\n${index.response[i]}\n${index.says[i] ?? ''}`.toLowerCase());
    return this.lower;
  }

  // Keep what passes the filters, in the order asked for.
  select(filters, sort) {
    const { index } = this, words = (filters.q ?? '').toLowerCase().split(/\s+/).filter(Boolean);
    const cause = filters.cause ? CAUSES.findIndex((one) => one.name === filters.cause) : null;
    const source = filters.source !== undefined ? index.sources.indexOf(filters.source) : null;
    const stage = filters.stage !== undefined ? index.stages.indexOf(filters.stage) : null;
    const state = filters.state ? STATES.indexOf(filters.state) : null;
    const texts = words.length ? this.texts() : null;
    const found = [];
    for (let i = 0; i < this.length; i++) {
      if (cause !== null && index.cause[i] !== cause) continue;
      if (source !== null && index.source[i] !== source) continue;
      if (stage !== null && index.stage[i] !== stage) continue;
      if (state !== null && index.state[i] !== state) continue;
      if (filters.forgotten && String(index.forgotten[i] ?? '') !== filters.forgotten) continue;
      if (texts && !words.every((word) => texts[i].includes(word))) continue;
      found.push(i);
    }
    if (sort) found.sort(this.comparison(sort));
    this.order = Uint32Array.from(found);
    this.active = 0;
    scroller.scrollTop = 0;
    this.draw();
  }

  comparison(sort) {
    const { index } = this, column = sort.replace('-', ''), sign = sort.startsWith('-') ? -1 : 1;
    const names = { source: index.sources, stage: index.stages }[column];
    const value = column === 'finding' ? (i) => finding(index.cause[i], index.state[i])
      : names ? (i) => names[index[column][i]] : (i) => index[column][i];
    return (i, j) => {
      const a = value(i), b = value(j);
      if (a === b) return i - j;
      if (a === null || a === undefined) return 1; // what is missing comes last in either direction
      if (b === null || b === undefined) return -1;
      return a < b ? -sign : sign;
    };
  }

  soon() {
    this.pending ??= requestAnimationFrame(() => { this.pending = undefined; this.draw(); });
  }

  draw(all = 0) {
    const n = this.order.length, head = scroller.querySelector('thead').offsetHeight;
    const first = all ? 0 : Math.max(0, Math.floor(scroller.scrollTop / this.height) - OVER);
    const last = all ? Math.min(n, all) : Math.min(n, Math.ceil((scroller.scrollTop + scroller.clientHeight - head) / this.height) + OVER);
    const focused = body.contains(document.activeElement);
    const rows = [];
    for (let i = first; i < last; i++) rows.push(this.element(this.row(this.order[i]), i));
    body.replaceChildren(...rows);
    above.firstElementChild.firstElementChild.style.height = `${first * this.height}px`;
    below.firstElementChild.firstElementChild.style.height = `${all ? 0 : Math.max(0, n - last) * this.height}px`;
    document.getElementById('table').setAttribute('aria-rowcount', n + 1);
    if (!this.measured && rows.length) {
      this.measured = true;
      const height = rows[0].getBoundingClientRect().height;
      if (height && Math.abs(height - this.height) > 0.01) { this.height = height; this.draw(all); return; }
    }
    if (focused) (body.querySelector('tr.active a') ?? scroller).focus({ preventScroll: true });
  }

  element(row, position) {
    const cause = row.cause >= 0 ? CAUSES[row.cause] : null, found = finding(row.cause, row.state);
    const wanted = visible(row.response), says = row.says === null ? '' : visible(row.says) || '(nothing)';
    const cell = (name, ...children) => h('td', { class: `c-${name}` }, ...children);
    const link = h('a', { href: `#${caseLink(row)}`, tabindex: position === this.active ? 0 : -1 }, user(row.prompt || '(no prompt)'));
    return h('tr', { class: position === this.active ? 'active' : null, 'aria-rowindex': position + 2, 'data-position': position },
      cell('finding', h('span', { class: `swatch ${cause ? `cause-${cause.name}` : ''}` }), found, row.forgotten ? h('span', { class: 'k' }, ', lost') : null),
      cell('prompt', link, h('span', { class: 'under' }, `${found}: `, user(row.response), says ? [' / says ', user(says)] : null)),
      cell('response', user(wanted)), cell('says', user(says)),
      h('td', { class: 'c-p num' }, probability(row.p)),
      cell('source', user(row.source)), cell('stage', user(row.stage)));
  }

  // Make the row at a position the active one, and bring it into sight.
  activate(position, focus = true) {
    if (!this.order.length) return;
    this.active = Math.min(this.order.length - 1, Math.max(0, position));
    const head = scroller.querySelector('thead').offsetHeight, top = this.active * this.height;
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    const lowest = top + this.height + head - scroller.clientHeight;
    if (lowest > scroller.scrollTop) scroller.scrollTop = lowest;
    this.draw();
    if (focus) body.querySelector('tr.active a')?.focus({ preventScroll: true });
  }
}

// The cause; where there is none, what was found instead.
const finding = (cause, state) => (cause >= 0 ? CAUSES[cause].title : STATES[state]);

function caseLink(row) {
  return `ex=${encodeURIComponent(row.id)}&of=${encodeURIComponent(row.stage)}`;
}
