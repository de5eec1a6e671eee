// Elements without markup: text goes in as text nodes, never as HTML.

const SVG = 'http://www.w3.org/2000/svg';

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

// A text of the user's, isolated from the direction of what stands around it.
const user = (text, tag = 'span') => h(tag, { class: 't', dir: 'auto' }, visible(text));

// A sentence in which answers stand between stars.
function sentence(text) {
  const parts = visible(text).split('*');
  if (parts.length % 2 === 0) return [visible(text)];
  return parts.map((part, i) => (i % 2 ? h('q', null, part) : part));
}

function bar(share) {
  return s('svg', { class: 'bar', viewBox: '0 0 100 10', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    s('rect', { class: 'track', width: 100, height: 10 }),
    s('rect', { class: 'fill', width: Math.max(0, 100 * share), height: 10 }));
}

function announce(text) {
  document.getElementById('said').textContent = text;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = h('textarea', { class: 'visually-hidden', 'aria-hidden': 'true' });
    document.body.append(area);
    area.value = text;
    area.select();
    document.execCommand('copy');
    area.remove();
  }
}
