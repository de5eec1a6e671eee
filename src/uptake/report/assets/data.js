// The packed data: base64 of gzip of JSON, unpacked by the browser itself. No text from it ever becomes markup.

const META = JSON.parse(document.getElementById('meta').textContent);
const CAUSES = META.causes;
const STATES = ['not learned', 'shallow', 'learned'];
const KEPT = 6; // unpacked blocks that are kept

async function unpack(element) {
  const packed = atob(element.textContent);
  const bytes = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Response(stream).json();
}

const whole = new Promise((done) => {
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', done, { once: true });
  else done();
});

const blocks = new Map();

// What the drawer shows of the example at a place in the diagnosis.
async function detail(place) {
  const number = Math.floor(place / META.block);
  if (!blocks.has(number)) {
    if (!document.getElementById(`block-${number}`)) await whole; // the file is still being read
    blocks.set(number, unpack(document.getElementById(`block-${number}`)));
    if (blocks.size > KEPT) blocks.delete(blocks.keys().next().value);
  }
  return (await blocks.get(number))[place % META.block];
}

// Control and bidirectional characters as escapes; joiners, tabs and line ends stay.
function visible(text) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (char) => {
    if ('\n\t\u200c\u200d'.includes(char)) return char;
    if (char === '\r') return '\\r';
    const code = char.codePointAt(0);
    if (code < 256) return `\\x${code.toString(16).padStart(2, '0')}`;
    return code < 65536 ? `\\u${code.toString(16).padStart(4, '0')}` : `\\U${code.toString(16).padStart(8, '0')}`;
  });
}

function probability(p) {
  if (p === null || p === undefined) return '–';
  if (p >= 0.995) return p < 0.99995 ? p.toFixed(4) : '1.00';
  if (p >= 0.1) return p.toFixed(2);
  if (p >= 0.001) return String(Number(p.toPrecision(2)));
  return p === 0 ? '0' : p.toExponential(1);
}

const counted = (n) => n.toLocaleString('en');
