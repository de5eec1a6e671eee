// Which words of two texts differ: the longest common subsequence of their words.

const WORDS = 400; // of longer texts nothing is marked: the table of the subsequence grows with the square

function differing(one, other) {
  const a = one.match(/\s+|[\p{L}\p{N}\p{M}]+|[^\s]/gu) ?? [], b = other.match(/\s+|[\p{L}\p{N}\p{M}]+|[^\s]/gu) ?? [];
  if (a.length > WORDS || b.length > WORDS) return [[[one, false]], [[other, false]]];
  const length = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      length[i][j] = a[i] === b[j] ? length[i + 1][j + 1] + 1 : Math.max(length[i + 1][j], length[i][j + 1]);
    }
  }
  const left = [], right = [];
  let i = 0, j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      left.push([a[i++], false]);
      right.push([b[j++], false]);
    } else if (j === b.length || (i < a.length && length[i + 1][j] >= length[i][j + 1])) left.push([a[i++], true]);
    else right.push([b[j++], true]);
  }
  return [left, right];
}

// One side as nodes, what differs marked.
function marked(parts) {
  const nodes = [];
  for (const [text, differs] of parts) {
    const last = nodes.at(-1);
    if (last && last.differs === differs) last.text += text;
    else nodes.push({ text, differs });
  }
  return nodes.map(({ text, differs }) => (differs && text.trim() ? h('mark', null, visible(text)) : visible(text)));
}
