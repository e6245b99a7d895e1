// The chart of usage: bars by day, stacked, in the theme's colours.
"use strict";

{
  const place = document.getElementById("chart");
  const chart = JSON.parse(document.getElementById("chart-data")?.textContent ?? "null");
  const root = document.documentElement;

  const told = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
  const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

  const start = () => {
    const factor = chart.unit === "credits" ? 100 : 1;
    const days = chart.days.length;
    const values = chart.series.map((one) => one.values.map((value) => value / factor));

    // Each series stands on those before it; the highest is drawn first and covered by the others.
    const sums = values.map((_, n) =>
      chart.days.map((_day, day) => values.slice(0, n + 1).reduce((sum, of) => sum + of[day], 0)));
    const order = values.map((_, n) => n).reverse();
    const data = [chart.days.map((_, day) => day), ...order.map((n) => sums[n])];

    const tip = document.createElement("div");
    tip.className = "tip";
    tip.hidden = true;
    const line = (text, value, series) => {
      const [row, name, number] = ["p", "span", "b"].map((tag) => document.createElement(tag));
      name.textContent = text;
      number.textContent = value;
      if (series !== undefined) name.dataset.series = series;
      row.append(name, number);
      return row;
    };
    const tell = (plot) => {
      const day = plot.cursor.idx;
      const total = day == null ? 0 : sums.at(-1)[day];
      tip.hidden = !total;
      if (!total) return;
      const rows = values.map((of, n) => [chart.series[n].name, of[day], n]).filter(([, value]) => value);
      tip.replaceChildren(
        line(chart.days[day], told.format(total)),
        ...rows.map(([name, value, n]) => line(name, told.format(value), n)),
      );
      const left = plot.valToPos(day, "x");
      const isRight = left > plot.over.clientWidth / 2;
      const x = plot.over.offsetLeft + left + (isRight ? -tip.offsetWidth - 14 : 14);
      tip.style.transform = `translate(${Math.max(0, Math.round(x))}px, 8px)`;
    };

    const draw = () => {
      const style = getComputedStyle(root);
      const colour = (name) => style.getPropertyValue(name).trim();
      const axis = {
        stroke: colour("--muted-foreground"),
        font: "12px Inter, sans-serif",
        grid: { stroke: colour("--border"), width: 1 },
        ticks: { show: false },
      };
      const every = (plot) => Math.max(1, Math.ceil(days / Math.max(2, Math.floor(plot.width / 80))));
      return new uPlot({
        width: place.clientWidth,
        height: place.clientHeight,
        padding: [10, 16, 0, 0],
        legend: { show: false },
        cursor: { y: false, points: { show: false }, drag: { setScale: false, x: false, y: false } },
        scales: {
          x: { time: false, range: [-0.6, days - 0.4] },
          y: { range: (_plot, _low, high) => [0, (high || 1) * 1.08] },
        },
        axes: [
          {
            ...axis,
            size: 30,
            grid: { show: false },
            splits: (plot) => data[0].filter((day) => (days - 1 - day) % every(plot) === 0),
            values: (_plot, splits) => splits.map((day) => chart.days[day]),
          },
          {
            ...axis,
            size: 48,
            incrs: factor === 1 ? [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 1e5, 1e6] : undefined,
            values: (_plot, splits) => splits.map((value) => short.format(value)),
          },
        ],
        series: [{}, ...order.map((n) => ({
          fill: colour(`--series-${n}`),
          stroke: colour(`--series-${n}`),
          width: 0,
          points: { show: false },
          paths: uPlot.paths.bars({ size: [0.72, 44] }),
        }))],
        hooks: { setCursor: [tell] },
      }, data, place);
    };

    let plot = draw();
    place.append(tip);
    const again = () => {
      plot.destroy();
      plot = draw();
      place.append(tip);
    };
    new ResizeObserver(() => {
      if (place.clientWidth !== plot.width) plot.setSize({ width: place.clientWidth, height: place.clientHeight });
    }).observe(place);
    new MutationObserver(again).observe(root, { attributeFilter: ["class"] });
    place.addEventListener("mouseleave", () => { tip.hidden = true; });
  };

  if (place && chart) start();
}
