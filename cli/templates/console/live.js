"use strict";
// Goes live, and copies commands. Without it every page works, as it was when it was loaded.
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  const button = document.getElementById("live");
  const link = document.getElementById("link");
  const news = document.getElementById("news");
  let source = null;
  let isWanted = false;

  const say = (text) => {
    if (news.textContent !== text) news.textContent = text;
  };
  const reachable = (piece) => [...piece.querySelectorAll("a, button, summary, [tabindex]")];

  // Takes back the mark of a change, so that the piece can be compared.
  const settle = (piece) => {
    piece.classList.remove("changed");
    if (piece.className === "") piece.removeAttribute("class");
  };

  // Replaces the pieces of the page that differ, and keeps what was opened and focused in them.
  const renew = (html) => {
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    const failure = fresh.content.getElementById("failure");
    const shown = document.getElementById("failure");
    if (failure && !shown) news.after(failure);
    if (!failure && shown) shown.remove();
    const changed = [];
    for (const old of document.querySelectorAll("[data-piece]")) {
      const piece = fresh.content.getElementById(old.id);
      // What is shown stays as old as it is, and says so.
      if (!piece || (failure && old.id === "place")) continue;
      settle(old);
      const opened = [...old.querySelectorAll("details")].map((one) => one.open);
      [...piece.querySelectorAll("details")].forEach((one, at) => { one.open = opened[at] ?? false; });
      if (piece.isEqualNode(old)) continue;
      const focused = old.contains(document.activeElement) ? document.activeElement : null;
      const isFocused = old === document.activeElement;
      const scrolled = old.scrollLeft;
      if (old.id !== "place") piece.classList.add("changed");
      old.replaceWith(piece);
      piece.scrollLeft = scrolled;
      if (isFocused) piece.focus();
      else if (focused) (reachable(piece).find((one) => one.isEqualNode(focused)) ?? reachable(piece)[0])?.focus();
      for (const one of piece.querySelectorAll("[data-news]")) changed.push(one.textContent);
    }
    if (changed.length > 0) say(changed.join(" "));
  };

  const open = () => {
    if (source || !isWanted || document.hidden) return;
    source = new EventSource(location.href.split("#")[0]);
    source.onmessage = (event) => {
      link.textContent = "connected";
      renew(event.data);
    };
    source.onerror = () => {
      if (source && source.readyState === EventSource.CLOSED) close();
      link.textContent = "not connected";
      say("The console does not answer. If it has ended, start it again and open its new address.");
    };
  };
  const close = () => {
    if (source) source.close();
    source = null;
  };

  if (button) {
    button.addEventListener("click", () => {
      isWanted = !isWanted;
      button.setAttribute("aria-pressed", String(isWanted));
      link.textContent = isWanted ? "connecting" : "";
      if (isWanted) open();
      else close();
    });
    // A page that is not looked at costs nothing.
    document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  }

  document.addEventListener("click", async (event) => {
    const copy = event.target.closest(".copy");
    if (!copy) return;
    await navigator.clipboard.writeText(copy.previousElementSibling.textContent);
    say("Copied.");
  });
})();
