// Charts: what a mark stands for, by pointer or by keys; filters of Figure 1.
"use strict";
const REACH = 28; // pixels

for (const chart of document.querySelectorAll(".chart")) {
  const tip = chart.querySelector(".tip");
  const hint = tip.textContent;
  const marks = [...chart.querySelectorAll(".pt")];
  const visible = () => marks.filter((mark) => !mark.hidden);
  const walk = [...marks].sort((a, b) => parseFloat(a.style.left) - parseFloat(b.style.left));

  const curves = [...chart.querySelectorAll(".lines path")];
  const point = (mark) => {
    marks.forEach((one, index) => {
      one.classList.toggle("here", one === mark);
      if (curves.length === marks.length) curves[index].classList.toggle("here", one === mark); // each mark ends a curve
    });
    tip.textContent = mark ? mark.getAttribute("aria-label") : hint;
  };
  const open = (mark) => {
    if (mark.dataset.origin) document.dispatchEvent(new CustomEvent("show-origin", { detail: mark.dataset.origin }));
  };
  for (const mark of marks) {
    mark.removeAttribute("title"); // the line below the chart says it at once, and to all
    mark.tabIndex = -1;
    mark.addEventListener("focus", () => point(mark));
  }
  // Marks lie close together on a small screen: the nearest one counts, not the one on top.
  const nearest = (event) => {
    let [found, best] = [null, REACH];
    for (const mark of visible()) {
      const box = mark.getBoundingClientRect();
      const distance = Math.hypot(event.clientX - box.x - box.width / 2, event.clientY - box.y - box.height / 2);
      if (distance < best) [found, best] = [mark, distance];
    }
    return found;
  };
  const plot = chart.querySelector(".plot");
  plot.addEventListener("pointermove", (event) => { const mark = nearest(event); if (mark) point(mark); });
  plot.addEventListener("click", (event) => { const mark = nearest(event); if (mark) { point(mark); open(mark); } });
  if (walk.length) walk[0].tabIndex = 0;
  chart.addEventListener("keydown", (event) => {
    const shown = walk.filter((mark) => visible().includes(mark));
    const at = shown.indexOf(document.activeElement);
    if (at < 0) return;
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (step) {
      event.preventDefault();
      const next = shown[(at + step + shown.length) % shown.length];
      walk.forEach((mark) => { mark.tabIndex = mark === next ? 0 : -1; });
      next.focus();
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      open(shown[at]);
    }
  });
}

{
  const [year, counted, copied] = ["year", "counted", "copied"].map((id) => document.getElementById(id));
  const filter = () => {
    document.getElementById("year-shown").textContent = year.value;
    for (const mark of document.querySelectorAll(".landscape .pt.published")) {
      const kind = mark.dataset.counted === "yes" ? counted : copied;
      mark.hidden = Number(mark.dataset.year) > Number(year.value) || !kind.checked;
    }
  };
  [year, counted, copied].forEach((control) => control.addEventListener("input", filter));
  filter();
}
