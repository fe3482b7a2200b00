// Claims: filters, search, language, and opening what a link leads to.
"use strict";
{
  const claims = [...document.querySelectorAll(".claim")];
  const [verdict, kind, search, language, found, expand] =
    ["verdict", "kind", "search", "language", "found", "expand"].map((id) => document.getElementById(id));
  const nothing = document.getElementById("nothing");
  // As a reader types it: "92%" and "92 %" are the same, and so are a hyphen and a minus sign.
  const plain = (text) => text.toLowerCase().replace(/\s+/g, " ").replace(/ %/g, "%").replace(/\u2212/g, "-");
  const texts = new Map(claims.map((claim) => [claim, plain(claim.textContent)]));

  const filter = () => {
    const words = plain(search.value).split(" ").filter(Boolean);
    let shown = 0;
    for (const claim of claims) {
      claim.hidden = Boolean(
        (verdict.value && claim.dataset.verdict !== verdict.value) ||
        (kind.value && claim.dataset.kind !== kind.value) ||
        !words.every((word) => texts.get(claim).includes(word))
      );
      shown += claim.hidden ? 0 : 1;
    }
    nothing.hidden = shown > 0;
    found.textContent = `${shown} of ${claims.length}`;
  };
  [verdict, kind, search].forEach((control) => control.addEventListener("input", filter));
  document.getElementById("clear").addEventListener("click", () => {
    [verdict, kind, search].forEach((control) => { control.value = ""; });
    filter();
    search.focus();
  });
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
    for (let one = target; one; one = one.parentElement.closest("details")) one.open = true;
    target.scrollIntoView();
    target.querySelector("summary").focus({ preventScroll: true });
  };
  addEventListener("hashchange", reveal);
  reveal();
}
