// Light and dark; everything open for print.
"use strict";
document.getElementById("theme").addEventListener("input", (event) => {
  document.documentElement.style.colorScheme = event.target.value;
});
