// Equations 1 to 5 and the closed form of both networks: analysis/cost/equations.py and closed_form.py once more.
"use strict";
const cost = {
  standard: (k, d, n) => k * k * d * n,
  depthwise: (k, d) => k * k * d,
  pointwise: (d, n) => d * n,
  separable: (k, d, n) => d * (k * k + n),
  ratio: (k, n) => 1 / n + 1 / (k * k),
  factors: { 2: [2], 3: [3], 4: [2, 2], 8: [2, 2, 2] },

  // Parameters, and multiply-adds for each pixel of the small picture.
  network(separable, scale, width, blocks) {
    let params = 0;
    let macs = 0;
    const layer = (kernel, inputs, outputs, groups, resolution) => {
      const weights = (kernel * kernel * inputs * outputs) / groups;
      params += weights + outputs;
      macs += weights * resolution * resolution;
    };
    const standard = (kernel, inputs, outputs, resolution = 1) => layer(kernel, inputs, outputs, 1, resolution);
    const replaced = (kernel, inputs, outputs) => {
      if (!separable) return standard(kernel, inputs, outputs);
      layer(kernel, inputs, inputs, inputs, 1);
      layer(1, inputs, outputs, 1, 1);
    };
    replaced(3, 3, width);
    for (let block = 0; block < blocks; block++) {
      for (const [kernel, channels] of [[3, width], [5, width], [3, 2 * width], [5, 2 * width]])
        replaced(kernel, channels, channels);
      standard(1, 4 * width, width);
    }
    standard(1, (blocks + 1) * width, width);
    standard(3, width, width);
    let resolution = 1;
    for (const factor of cost.factors[scale]) {
      standard(3, width, width * factor * factor, resolution);
      resolution *= factor;
    }
    standard(3, width, 3, resolution);
    return { params, macs };
  },
  gmacs: (macs, scale) => (macs * 1280 * 720) / (scale * scale) / 1e9,
};

{
  const value = (id) => Number(document.getElementById(id).value);
  const show = (id, text) => { document.getElementById(id).textContent = text; };
  const count = (number) => number.toLocaleString("en-US");
  const percent = (share, digits) => `${(100 * share).toFixed(digits)} %`;

  // The sliders' layer on the chart of equation 5: N on a logarithmic axis, percent on a linear one.
  const plot = document.querySelector('[data-chart="equation5"] .plot');
  const [[x0, x1], [y0, y1]] = [plot.dataset.x, plot.dataset.y].map((ends) => ends.split(" ").map(Number));
  const you = make("span", "", { class: "pt you", "aria-hidden": "true" });
  you.innerHTML = '<svg class="m you" viewBox="-8 -8 16 16"><use href="#m-you"/></svg>';
  plot.append(you);
  const place = (n, percentage) => {
    you.style.left = `${(100 * Math.log(n / x0)) / Math.log(x1 / x0)}%`;
    you.style.bottom = `${(100 * (percentage - y0)) / (y1 - y0)}%`;
    you.hidden = n < x0 || n > x1 || percentage > y1;
  };

  const equations = () => {
    const [k, d, n] = ["k", "d", "n"].map(value);
    ["k", "d", "n"].forEach((id) => show(`${id}-shown`, value(id)));
    show("eq1", count(cost.standard(k, d, n)));
    show("eq2", count(cost.depthwise(k, d)));
    show("eq3", count(cost.pointwise(d, n)));
    show("eq4", count(cost.separable(k, d, n)));
    const ratio = cost.ratio(k, n);
    place(n, 100 * ratio);
    show("eq5", `${ratio.toFixed(4)}: ${ratio < 1 ? `saves ${percent(1 - ratio, 1)}` : "saves nothing"}`);
  };

  const network = () => {
    const [width, blocks, scale] = ["width", "blocks", "scale"].map(value);
    show("width-shown", width);
    show("blocks-shown", blocks);
    const [msrn, smsrn] = [false, true].map((separable) => cost.network(separable, scale, width, blocks));
    show("p-msrn", count(msrn.params));
    show("p-smsrn", count(smsrn.params));
    show("p-share", percent(smsrn.params / msrn.params, 2));
    show("g-msrn", cost.gmacs(msrn.macs, scale).toFixed(1));
    show("g-smsrn", cost.gmacs(smsrn.macs, scale).toFixed(1));
    show("g-share", percent(smsrn.macs / msrn.macs, 2));
  };

  for (const [id, update] of [["equations", equations], ["network", network]]) {
    document.getElementById(id).addEventListener("input", update);
    update();
  }
}
