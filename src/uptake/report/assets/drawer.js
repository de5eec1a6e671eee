// The drawer: everything that is known about one example.

const drawer = document.getElementById('drawer');

const ORIGINS = new Map([['response', 'wanted'], ['base', 'base’s answer'], ['option', 'option'], ['neighbour', 'another answer'], ['llm', 'an LLM’s']]);

const full = (text) => (text !== null && typeof text === 'object' ? text.cut : text);

function long(text) {
  const shown = h('div', { class: 'text', dir: 'auto', tabindex: 0 }, visible(full(text)));
  if (typeof text !== 'object') return shown;
  const rest = counted(text.length - text.cut.length);
  return [shown, h('p', { class: 'legend' }, `${rest} more characters are in diagnosis/diagnosis.jsonl.`)];
}

function drawerHead(row, position, actions) {
  const named = row.cause >= 0 ? CAUSES[row.cause] : null;
  const button = (name, title, action, off) => h('button', { type: 'button', title, 'aria-label': name.length === 1 ? title : null, onclick: action, disabled: off }, name);
  return h('div', { class: 'title' },
    h('div', { class: 'tools' },
      button('←', 'Previous example', () => actions.step(-1), position <= 0),
      button('→', 'Next example', () => actions.step(1), position < 0 || position >= actions.count() - 1),
      h('span', { class: 'legend' }, position < 0 ? 'not in this selection' : `${counted(position + 1)} of ${counted(actions.count())}`),
      h('span', { class: 'space' }),
      button('Copy link', 'Copy a link to this example', actions.link),
      button('Copy JSONL', 'Copy this example as a line of JSON; numbers with six digits', actions.copy),
      button('Close', 'Close (Esc)', actions.close)),
    h('h2', { id: 'case', tabindex: -1 }, user(row.id)),
    h('p', { class: 'where' },
      named ? h('span', { class: `badge cause cause-${named.name}` }, h('span', { class: 'swatch' }), named.title) : null,
      h('span', { class: 'badge' }, STATES[row.state]),
      row.forgotten ? h('span', { class: 'badge' }, 'forgotten') : null,
      'source ', user(row.source), ', stage ', user(row.stage)));
}

function said(one) {
  const evidence = one.evidence, belief = evidence.causes?.base_conflict?.numbers ?? {};
  const rows = (evidence.candidates ?? []).map((candidate) => ({
    who: ORIGINS.get(candidate.origin) ?? visible(String(candidate.origin)),
    text: full(candidate.text), tuned: Math.exp(candidate.logprob), right: candidate.origin === 'response',
  }));
  const same = (text) => rows.find((row) => row.text.trim() === full(text).trim());
  for (const [key, who] of [['base_answer', 'base’s answer'], ['tuned_answer', 'its answer now']]) {
    if (evidence[key] === null || evidence[key] === undefined) continue;
    const row = same(evidence[key]);
    if (!row) rows.push({ who, text: full(evidence[key]), tuned: null });
    else if (!row.who.split(' · ').includes(who)) row.who += ` · ${who}`;
  }
  for (const row of rows) {
    if (row.right) row.base = Number.isFinite(evidence.base_logprob) ? Math.exp(evidence.base_logprob) : null;
    else if (belief.belief_text !== undefined && belief.belief_text !== null && belief.belief_text.trim() === row.text.trim()) {
      row.base = belief.belief_wordings?.[0] ?? null;
    }
  }
  rows.sort((a, b) => Boolean(b.right) - Boolean(a.right) || (b.tuned ?? -1) - (a.tuned ?? -1));
  return h('table', { class: 'said' },
    h('thead', null, h('tr', null, h('th', { scope: 'col' }, 'answer'), h('th', { scope: 'col', class: 'num' }, 'p, base'),
      h('th', { scope: 'col', class: 'num' }, 'p, tuned'), h('td', { class: 'drawn' }))),
    h('tbody', null, rows.map((row) => h('tr', { class: row.right ? 'right' : null },
      h('td', null, row.text.trim() ? user(row.text.slice(0, 300)) : '(nothing)', h('span', { class: 'note' }, row.who)),
      h('td', { class: 'num' }, probability(row.base)),
      h('td', { class: 'num' }, probability(row.tuned)),
      h('td', { class: 'drawn' }, row.tuned === null ? null : bar(row.tuned))))));
}

function numbers(values) {
  const told = (value) => {
    if (value === null || value === undefined) return '–';
    if (Array.isArray(value)) return value.map(told).join(', ') || '–';
    if (typeof value === 'number') return Number.isInteger(value) ? counted(value) : String(Number(value.toPrecision(4)));
    return typeof value === 'object' ? visible(JSON.stringify(value)) : visible(String(value));
  };
  return h('dl', { class: 'numbers' }, Object.entries(values).map(([name, value]) => [
    h('dt', null, visible(name)), h('dd', { dir: 'auto' }, told(value))]));
}

function reasons(one) {
  const causes = one.evidence.causes ?? {};
  const order = CAUSES.filter((cause) => cause.name in causes)
    .sort((a, b) => (causes[b.name].score ?? -1) - (causes[a.name].score ?? -1));
  return order.map((cause) => {
    const { score, sentence: said, numbers: values, missing } = causes[cause.name];
    return h('div', { class: `cause-row cause-${cause.name}${cause.name === one.named ? ' named' : ''}` },
      h('div', { class: 'head' },
        h('span', null, h('span', { class: 'swatch' }), cause.title),
        score === null ? h('span', { class: 'none' }, 'cannot be judged') : bar(score),
        h('span', { class: 'num' }, score === null ? '–' : score.toFixed(2))),
      h('p', null, sentence(said)),
      h('details', null, h('summary', null, 'numbers'), numbers({ ...values, ...(missing ?? {}) })));
  });
}

async function rivals(row, one, find) {
  const { rivals: ids, verdict, likely_wrong: wrong } = one.evidence.causes?.data_conflict?.numbers ?? {};
  if (!ids?.length) return null;
  const pairs = [];
  for (const id of ids.slice(0, 5)) {
    const place = find(id);
    if (place < 0) continue;
    const rival = await detail(place);
    const prompts = differing(full(one.prompt), full(rival.prompt)), answers = differing(full(one.response), full(rival.response));
    const side = (title, prompt, answer) => h('div', null, h('h4', null, title),
      h('div', { class: 'text', dir: 'auto' }, marked(prompt)), h('p', { class: 'label' }, 'wants'), h('div', { class: 'text', dir: 'auto' }, marked(answer)));
    pairs.push(h('div', { class: 'rivals' }, side('this example', prompts[0], answers[0]),
      side(h('a', { href: `#ex=${encodeURIComponent(id)}` }, user(id)), prompts[1], answers[1])));
  }
  const which = verdict === 'mislabelled' ? (wrong ? 'This one is likely the wrong one.' : 'This one is likely right.')
    : verdict === 'ambiguous' ? 'Both may be right.' : null;
  return [h('h3', null, 'Rivals: they ask the same and want something else'),
    which ? h('p', null, which) : null, pairs,
    ids.length > 5 ? h('p', { class: 'legend' }, `and ${counted(ids.length - 5)} more`) : null];
}

// How many exposures it needs when all that was not learned is trained on; as uptake.attribute.interventions.to_learn.
function exposures({ learned, exposures: needed }) {
  const times = (n) => n === 1 ? '1 exposure' : `${n} exposures`, tried = times(learned.length);
  if (needed !== null) return `${times(needed)} more ${needed === 1 ? 'teaches' : 'teach'} it, of ${tried} that were tried.`;
  return learned.at(-1) ? `${tried} more teach its training wording alone.` : `Never in ${tried}: more of them do not teach it.`;
}

function pulled(pull, find) {
  const name = user(pull.name), known = pull.kind === 'row' && find(pull.name) >= 0;
  const [before, ...after] = pull.excerpt.split(pull.matched);
  return h('p', null, known ? h('a', { href: `#ex=${encodeURIComponent(pull.name)}` }, name) : name, pull.kind === 'row' ? '' : ' (document)',
    ': ', user(before), h('mark', null, visible(pull.matched)), user(after.join(pull.matched)));
}

function found(one) {
  return h('details', null,
    h('summary', null, user(one.title || one.id), one.source ? [', ', user(one.source)] : null),
    one.text ? h('div', { class: 'text', dir: 'auto' }, visible(one.text)) : h('p', { class: 'legend' }, 'The plan does not read it.'),
    one.where ? h('p', { class: 'legend' }, user(one.where)) : null);
}

function remedy(row, one) {
  const cause = row.cause >= 0 ? CAUSES[row.cause] : null;
  if (!cause) return null;
  const told = (text) => h('span', { class: 't', dir: 'auto' }, sentence(text));
  const planned = (one.edits ?? []).map((edit) => [
    h('p', null, h('b', null, 'Planned, ', visible(edit.remedy)), ': ', told(edit.why)),
    edit.documents.length ? [h('p', { class: 'label' }, 'Documents found'), edit.documents.map(found)] : null]);
  return [h('h3', null, 'What to do'), h('p', null, sentence(cause.remedy)),
    cause.safety ? h('p', { class: 'legend' }, 'How safe: ', sentence(cause.safety)) : null,
    one.unmended ? h('p', null, h('b', null, 'Not mended'), ': ', told(one.unmended)) : null,
    planned,
    one.edits ? null : h('p', { class: 'legend' }, 'Nothing is planned yet, and no documents were looked for: ', h('code', null, 'uptake prescribe'), ' does both.')];
}

// Everything there is to show of an example; `find` gives the place of an id.
async function caseOf(row, position, actions, find) {
  const one = { ...(await detail(row.place)), named: row.cause >= 0 ? CAUSES[row.cause].name : null };
  const { causes, signals, candidates, tuned_answer, base_answer, file, line, pulls, after_wrong: turn, exposures_to_learn: tried, ...rest } = one.evidence;
  const failed = `${rest.held_out_failed} of ${rest.held_out_n}`;
  return [
    drawerHead(row, position, actions),
    turn ? h('p', null, 'It comes after ', user(turn), ', a turn that was not learned, and was read after the data’s own.') : null,
    h('p', { class: 'label' }, 'Prompt'), long(one.prompt),
    h('p', { class: 'label' }, 'Wanted'), one.spans ? heatMap(one) : long(one.response),
    one.spans ? h('p', { class: 'legend' }, 'Each part is read after the response’s own words, as if the model had said all before it as wanted. So a part can be learned of an answer that the model never gives by itself.') : null,
    one.spans && tuned_answer !== null && tuned_answer !== undefined ? [h('p', { class: 'label' }, 'By itself the tuned model says'), long(full(tuned_answer).trim() ? tuned_answer : '(nothing)')] : null,
    h('h3', null, 'What they say'), said(one),
    h('p', { class: 'legend' }, 'p: of these words after the prompt, whatever follows them. ',
      rest.end_logprob === null || rest.end_logprob === undefined || probability(one.p_response) === probability(Math.exp(rest.logprob)) ? null
        : `That the response also ends there, as it was trained (p_response): ${probability(one.p_response)}.`),
    rest.held_out_n ? h('p', null, `In other words it fails in ${failed} wordings.`) : null,
    causes ? [h('h3', null, 'Why'), reasons(one)] : null,
    tried ? [h('h3', null, 'Exposures to learn'), h('p', null, exposures(tried))] : null,
    await rivals(row, one, find),
    pulls?.length ? [h('h3', null, 'What pulls it the other way'), pulls.map((pull) => pulled(pull, find))] : null,
    remedy(row, one),
    h('h3', null, 'How it was learned'),
    one.curve?.length ? exampleCurve(one.curve) : h('p', { class: 'none' }, 'There is no ledger of this example’s training.'),
    h('h3', null, 'Evidence in numbers'), numbers({ p_response: one.p_response, p_option: one.p_option, ...rest }),
    signals ? h('details', null, h('summary', null, 'all signals'), numbers(signals)) : null,
    file ? h('p', { class: 'where' }, 'read from ', user(line ? `${file}:${line}` : file)) : null,
  ];
}

function show(nodes) {
  drawer.replaceChildren(...nodes.flat(3).filter(Boolean));
  drawer.hidden = false;
  document.body.classList.add('case');
  drawer.scrollTop = 0;
  document.getElementById('case').focus({ preventScroll: true });
}
