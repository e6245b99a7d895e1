// The gallery's clips play without sound while they are pointed at or have the focus.
"use strict";

const still = matchMedia("(prefers-reduced-motion: reduce)");
const clipOf = (event) => event.target.closest?.("[data-hover]")?.querySelector("video");

const play = (event) => {
  const clip = clipOf(event);
  if (clip && !still.matches) clip.play().catch(() => {}); // pointed away before it had loaded
};
const stop = (event) => {
  const clip = clipOf(event);
  if (!clip || event.target.closest("[data-hover]").contains(event.relatedTarget)) return;
  clip.pause();
  if (clip.readyState) clip.currentTime = 0;
};
addEventListener("pointerover", play);
addEventListener("pointerout", stop);
addEventListener("focusin", play);
addEventListener("focusout", stop);
