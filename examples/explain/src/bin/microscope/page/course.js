
// ---- The course

// Where the lab shows what a chapter is about: an example by its title, a mistake, or another tab.
const SHOWN = { 1: { scene: 'Draft-75' }, 2: { scene: 'The handshake' }, 3: { scene: 'A message' }, 4: { mistake: 'long-form' },
  5: { scene: 'A message in two reads' }, 6: { scene: 'Fragments, and a ping between' }, 7: { scene: 'The closing handshake' },
  8: { mistake: 'bad-utf8' }, 9: { scene: 'Draft-76' }, 10: { tab: 'tab-five' }, 11: { mistake: 'wrong-accept' }, 12: { scene: 'A message' } };

const articles = [...document.querySelectorAll('[data-chapter]')];

function openChapter(number, focus) {
  for (const article of articles) article.hidden = article.dataset.chapter !== String(number);
  $('chapter').value = number;
  const { scene, mistake, tab } = SHOWN[number];
  $('to-lab').textContent = tab ? 'See five versions at once' : mistake ? 'Find this mistake in the lab' : `See it in the lab: ${scene}`;
  $('previous').disabled = number <= 1;
  $('next').disabled = number >= articles.length;
  if (focus) {
    const title = $(`chapter-${number}`).querySelector('h2');
    title.tabIndex = -1;
    title.focus();
    title.scrollIntoView();
  }
}

async function showInLab() {
  const { scene, mistake, tab } = SHOWN[$('chapter').value];
  openTab($(tab || 'tab-lab'), true);
  if (tab) return;
  if (scene) {
    $('scene').value = scenes.findIndex(one => one.title === scene);
    await showScene();
    $('scene').focus();
    return;
  }
  if ($('bench').hidden) await refresh();
  // The side that can make it.
  const from = isPossible(breaks.find(one => one.id === mistake), 'client') ? 'client' : 'server';
  document.querySelector(`#break-from [value=${from}]`).checked = true;
  suit();
  const button = document.querySelector(`#breaks [data-break="${mistake}"]`);
  button.focus();
  button.scrollIntoView({ block: 'center' });
}

// The chapter about an example of the lab.
function chapterOf(scene) {
  return Number(Object.keys(SHOWN).find(number => SHOWN[number].scene === scene.title));
}

function prepareCourse() {
  for (const article of articles) $('chapter').append(el('option', { value: article.dataset.chapter }, article.querySelector('h2').textContent));
  $('chapter').addEventListener('change', () => openChapter(Number($('chapter').value)));
  $('previous').addEventListener('click', () => openChapter(Number($('chapter').value) - 1, true));
  $('next').addEventListener('click', () => openChapter(Number($('chapter').value) + 1, true));
  $('to-lab').addEventListener('click', guarded(showInLab));
  for (const link of document.querySelectorAll('[data-to]')) {
    link.addEventListener('click', event => { event.preventDefault(); openChapter(Number(link.dataset.to), true); });
  }
  openChapter(1);
}

// ---- The states, drawn

// Writes into the box of each state which sides are in it.
function drawStates(answer) {
  for (const box of document.querySelectorAll('#drawing [data-state]')) {
    const here = SIDES.filter(side => !answer[side].hand && answer[side].state === box.dataset.state);
    box.classList.toggle('now', here.length > 0);
    box.querySelector('.here').textContent = here.length ? `\u25b8 ${here.join(', ')}` : '';
  }
}

guarded(begin)();
