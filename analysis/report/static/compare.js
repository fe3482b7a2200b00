// Two versions of a picture with a divider between them: a range input, so mouse, touch and keys are the browser's.
"use strict";
for (const compare of document.querySelectorAll(".compare")) {
  const stage = compare.querySelector(".stage");
  const divider = compare.querySelector(".divider");
  const [left, right] = [compare.querySelector(".left"), compare.querySelector(".right")];
  const update = () => {
    stage.style.setProperty("--at", `${divider.value}%`);
    for (const figure of stage.querySelectorAll("figure")) {
      figure.classList.toggle("shown-left", figure.dataset.version === left.value);
      figure.classList.toggle("shown-right", figure.dataset.version === right.value);
    }
  };
  [divider, left, right].forEach((control) => control.addEventListener("input", update));
  update();
}
