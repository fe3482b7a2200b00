// Light and dark.
"use strict";
document.getElementById("theme").addEventListener("input", (event) => {
  document.documentElement.style.colorScheme = event.target.value;
});
