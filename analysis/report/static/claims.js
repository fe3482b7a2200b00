// Claims: filters, search, language, and opening what a link leads to.
"use strict";
{
  const claims = [...document.querySelectorAll(".claim")];
  const [verdict, kind, search, language, found, expand] =
    ["verdict", "kind", "search", "language", "found", "expand"].map((id) => document.getElementById(id));
  const texts = new Map(claims.map((claim) => [claim, claim.textContent.toLowerCase()]));

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const claim of claims) {
      claim.hidden = Boolean(
        (verdict.value && claim.dataset.verdict !== verdict.value) ||
        (kind.value && claim.dataset.kind !== kind.value) ||
        !words.every((word) => texts.get(claim).includes(word))
      );
      shown += claim.hidden ? 0 : 1;
    }
    found.textContent = `${shown} of ${claims.length}`;
  };
  [verdict, kind, search].forEach((control) => control.addEventListener("input", filter));
  language.addEventListener("input", () => { document.getElementById("claims").dataset.quotes = language.value; });
  expand.addEventListener("click", () => {
    const open = expand.textContent === "expand all";
    claims.forEach((claim) => { claim.open = open && !claim.hidden; });
    expand.textContent = open ? "close all" : "expand all";
  });
  filter();

  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target || target.tagName !== "DETAILS") return;
    target.hidden = false;
    target.open = true;
    target.scrollIntoView();
    target.querySelector("summary").focus({ preventScroll: true });
  };
  addEventListener("hashchange", reveal);
  reveal();
}
