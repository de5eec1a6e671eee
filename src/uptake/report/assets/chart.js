// The learning curve of one example: probability a token of the response over the optimisation steps.

const TIME = document.getElementById('time') ? JSON.parse(document.getElementById('time').textContent) : null;

function exampleCurve(readings) {
  const width = 600, height = 150, end = TIME.ends.at(-1);
  const x = (step) => (width * step) / Math.max(1, end);
  const y = (p) => height * (1 - p);
  const points = readings.map(([step, scored, nll, tokens, recalled]) => ({
    step, scored, recalled, nll, p: Math.exp(-nll / Math.max(1, tokens)),
  }));
  const told = points.map((one) => `step ${one.step}: ${probability(one.p)}${one.recalled ? ', recalled' : ''}`);
  const spans = TIME.stages.map((stage, i) => {
    const start = i ? TIME.ends[i - 1] : 0;
    return [
      i % 2 ? s('rect', { class: 'span', x: x(start), y: 0, width: x(TIME.ends[i]) - x(start), height }) : null,
      s('text', { x: (x(start) + x(TIME.ends[i])) / 2, y: height + 17, 'text-anchor': 'middle' }, visible(stage).slice(0, 24)),
    ];
  });
  const grid = [0, 0.5, 1].map((p) => [
    s('line', { class: 'grid', x1: 0, x2: width, y1: y(p), y2: y(p) }),
    s('text', { x: -6, y: y(p) + 4, 'text-anchor': 'end' }, String(p)),
  ]);
  const marks = points.map((one, i) => {
    const attributes = { class: one.recalled ? 'recalled' : 'missed' };
    const mark = one.scored
      ? s('circle', { ...attributes, cx: x(one.step), cy: y(one.p), r: 4.5 })
      : s('rect', { ...attributes, x: x(one.step) - 3.5, y: y(one.p) - 3.5, width: 7, height: 7 });
    mark.append(s('title', null, told[i]));
    return mark;
  });
  return h('div', { class: 'curve' },
    s('svg', { viewBox: `-34 -8 ${width + 44} ${height + 32}`, role: 'img', 'aria-label': `Probability a token: ${told.join('; ')}` },
      spans, grid, s('polyline', { points: points.map((one) => `${x(one.step)},${y(one.p)}`).join(' ') }), marks),
    h('p', { class: 'legend' }, 'Probability a token of the response (geometric mean) by optimisation step. Filled: recalled. ',
      'Squares: just before it was trained on; circles: scored at the end of an epoch.'));
}
