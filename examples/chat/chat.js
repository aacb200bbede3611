// The chat page's script. It is JavaScript of 2009 (ES5), since the browsers that speak the old versions of
// WebSocket know no other. Other people's text only ever becomes a text node.
(function () {
  'use strict';
  var Socket = window.WebSocket || window.MozWebSocket;
  var LOG_CAP = 500;              // lines kept on the page; older ones are a page of history away
  var READING_CAP = 2000;         // the same while the user reads further up, or more if they have fetched more
  var PAGE = 50;                  // entries that the server sends on entering, and in one page of history
  var NAME_CAP = 32, ROOM_CAP = 64, TEXT_CAP = 2000;    // characters, as in chat.rs
  var KEYS_CAP = 8;               // names whose keys are kept
  var MUTE_MINUTES = 10;
  var ANSWER_WITHIN = 10000;      // ms for a welcome, or for our own words to come back to us
  var HINT_EVERY = 2000;          // ms between two typing hints that we send
  var HINT_LASTS = 4000;          // ms for which a typing hint is shown
  var ROOMS_EVERY = 30000;        // ms between two requests for the list of rooms
  var GROUP = 300000;             // ms within which one author's messages share a heading
  var HUES = 12;                  // name colours in chat.css
  var MODERN = 'RFC 6455';        // the version that needs no badge
  var VERSIONS = {                // the tooltip of a badge
    'draft-75': 'February 2010: Chrome 4, Safari 5.0',
    'draft-76': 'May 2010: Chrome 6, Safari 5.0.1',
    'version 7': 'April 2011: Firefox 6',
    'version 8': 'July 2011: Firefox 7, Chrome 14',
    'RFC 6455': 'December 2011: every browser since'
  };
  var DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
  var MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October',
    'November', 'December'];

  // ---- The state. That of a visit to a room begins anew in `enter`.

  var room = roomOfPath();
  var wanted = '';                // the name asked for; the server may add a number to it
  var secret = '';                // the operator's secret once it was right: only here, never stored or shown
  var socket = null;              // the current connection; events of any other are ignored
  var me = null;                  // our own welcome, once it has come
  var operator = false;           // this connection may moderate
  var timer = 0;                  // the one thing waited for: an answer, or the next attempt
  var failures = 0;
  var asked = {};                 // requests without an answer so far, by type
  var unconfirmed = [];           // said, but not yet come back to us
  var returned = [];              // texts that a lost connection has put back into the box

  var lines = [];                 // what the log shows, oldest first: { kind, node, time, ids … }
  var shown = {};                 // the ids of all entries on the page
  var oldest = '', last = '';     // the ids of the first entry on the page, and of the last one received
  var more = true;                // the room may have older entries than the page
  var catching = false;           // the entries after a welcome, up to its position, are still coming
  var returning = false;          // in this room before, so the next welcome is a return
  var missed = 0;                 // messages of others that came in a replay after a reconnect
  var members = {};               // by id: { member, name, version, node, muted }
  var removed = {};               // members that an operator has removed: their leaving needs no line
  var typists = {};               // by id: { name, until }
  var hinted = 0;                 // when we sent our last typing hint
  var mutedUntil = 0;
  var fresh = null;               // the line that "New messages" stands above
  var freshSeen = true;           // the end of the log was in view since
  var unread = 0, below = 0;      // messages that came while the page was hidden; while its reader was further up
  var following = true, readingCap = READING_CAP;
  var soften = 0, typingTimer = 0;

  // ---- Nodes

  function by(id) { return document.getElementById(id); }

  // JavaScript and the server differ on two blanks; both are cut off, so that a text comes back as it was sent.
  function trimmed(id) { return by(id).value.replace(/^[\s\u0085\ufeff]+|[\s\u0085\ufeff]+$/g, ''); }

  // The one way in which words get on the page: as text, whatever they look like.
  function element(tag, className, text) {
    var node = document.createElement(tag);
    node.className = className;
    if (text) node.appendChild(document.createTextNode(text));
    return node;
  }

  // Puts texts and nodes into a node, in that order.
  function fill(node, parts) {
    for (var i = 0; i < parts.length; i++) {
      node.appendChild(typeof parts[i] === 'string' ? document.createTextNode(parts[i]) : parts[i]);
    }
    return node;
  }

  function remove(node) { if (node && node.parentNode) node.parentNode.removeChild(node); }

  function mark(node, className, on) {
    var names = (' ' + node.className + ' ').replace(' ' + className + ' ', ' ').replace(/^ +| +$/g, '');
    node.className = on ? (names ? names + ' ' : '') + className : names;
  }

  function button(text, label, action) {
    var node = element('button', 'small', text);
    node.type = 'button';
    if (label) node.setAttribute('aria-label', label);
    listen(node, 'click', action);
    return node;
  }

  // A button that acts on its second click: the first one asks. Leaving the button takes the question back.
  function cautious(node, question, action) {
    var text = node.textContent, label = node.getAttribute('aria-label'), armed = false;
    function arm(on) {
      armed = on;
      node.textContent = on ? question : text;
      if (label) node.setAttribute('aria-label', on ? question : label);
    }
    listen(node, 'click', function () {
      if (armed) action();
      arm(!armed);
    });
    listen(node, 'blur', function () { arm(false); });
    listen(node, 'keydown', function (e) {
      if (e.keyCode === 27 && armed) { e.stopPropagation(); arm(false); }
    });
    return node;
  }

  function listen(node, event, action) {
    node.addEventListener(event, function (e) {
      if (event === 'submit') e.preventDefault();
      action(e);
    }, false);
  }

  // ---- Names and texts

  // A name keeps its own direction of writing, and leaves that of the words around it alone.
  function named(name) { return element('bdi', '', name); }

  // A member has one colour, by its public id, for as long as it keeps its key.
  function hue(member) {
    for (var i = 0, sum = 0; i < member.length; i++) sum = (sum * 31 + member.charCodeAt(i)) % 65521;
    return 'hue' + sum % HUES;
  }

  function coloured(m) {
    var node = named(m.name);
    node.className = hue(m.member);
    return node;
  }

  function badge(version) {
    var node = element('span', 'version v-' + version.toLowerCase().replace(/[^a-z0-9]/g, ''), version);
    node.title = VERSIONS[version] || '';
    return node;
  }

  // Only a version that differs from today's is worth a badge.
  function addBadge(node, version) { if (version && version !== MODERN) node.appendChild(badge(version)); }

  // Counts characters as the server does: those beyond the first 65,536 are two units in JavaScript.
  function lengthOf(text) { return text.replace(/[\ud800-\udbff][\udc00-\udfff]/g, '-').length; }

  // A message's text: code between backticks, addresses of pages, mentions of our own name.
  function written(text, own) {
    var node = element('div', 'text', ''), code = /\n?```(?:[\w+#.-]*\n)?([\s\S]+?)\n?```\n?|`([^`\n]+)`/g;
    var end = 0, found;
    node.dir = 'auto';
    while ((found = code.exec(text))) {
      linked(node, text.slice(end, found.index), own);
      var piece = element('code', '', found[1] || found[2]);
      piece.dir = 'ltr';
      node.appendChild(found[1] ? fill(element('pre', '', ''), [piece]) : piece);
      end = found.index + found[0].length;
    }
    linked(node, text.slice(end), own);
    return node;
  }

  function linked(node, text, own) {
    var link = /\bhttps?:\/\/[^\s<>"\u007f-\u00a0\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+/gi;
    var end = 0, found;
    while ((found = link.exec(text))) {
      var url = withoutPunctuation(found[0]);
      if (!/^https?:\/\/[^\/?#@]+([\/?#]|$)/i.test(url)) continue;    // no host, or one that hides behind a user's name
      mentioned(node, text.slice(end, found.index), own);
      node.appendChild(linkTo(url));
      end = found.index + url.length;
    }
    mentioned(node, text.slice(end), own);
  }

  function linkTo(url) {
    var node = element('a', '', url);
    node.href = url;
    node.target = '_blank';
    node.rel = 'noopener noreferrer';
    node.dir = 'ltr';
    return node;
  }

  // The end of a sentence is no part of the address, and neither is a bracket that it did not open.
  function withoutPunctuation(url) {
    for (;;) {
      var end = url.charAt(url.length - 1);
      var stray = end === ')' && url.split('(').length < url.split(')').length;
      if (!stray && '.,;:!?\']}\u2019\u201d\u2026\u3002'.indexOf(end) < 0) return url;
      url = url.slice(0, -1);
    }
  }

  // Our own name as a whole word, with or without @. A single letter needs the @: it is a word of its own too often.
  function mentioned(node, text, own) {
    var name = me && !own ? me.name : '', end = 0, found;
    if (name) {
      var pattern = new RegExp('@?' + name.replace(/[\\^$.*+?()\[\]{}|\/-]/g, '\\$&'), 'gi');
      while ((found = pattern.exec(text))) {
        var at = found[0].charAt(0) === '@', after = found.index + found[0].length;
        if (!at && name.length < 2 || joins(text.charAt(found.index - 1), found[0].charAt(0)) ||
          joins(found[0].charAt(found[0].length - 1), text.charAt(after)) && !(at && SPACELESS.test(name))) {
          pattern.lastIndex = found.index + 1;
          continue;
        }
        fill(node, [text.slice(end, found.index), element('mark', '', found[0])]);
        end = after;
      }
    }
    if (end < text.length) fill(node, [text.slice(end)]);
  }

  // Whether two characters belong to one word. ES5 has no classes of letters: all beyond Latin-1's signs counts as
  // a letter, except the blocks of punctuation and signs.
  var LETTER = /[0-9A-Za-z_\u00aa\u00b5\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u1fff\u200c\u200d\u2c00-\u2dff\u3005-\u3007\u3040-\ud7ff\uf900-\ufdff\ufe70-\ufefe\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff66-\uffdc]/;
  // Scripts that set no space between words, or attach endings to names.
  var SPACELESS = /[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u9fff\uac00-\ud7a3]$/;

  function joins(one, other) { return LETTER.test(one) && LETTER.test(other); }

  // ---- Times

  function clock(time) {
    var minutes = new Date(time).getMinutes();
    return new Date(time).getHours() + (minutes < 10 ? ':0' : ':') + minutes;
  }

  function dayOf(time) { return new Date(time).toDateString(); }

  function date(time) {
    var day = new Date(time);
    return DAYS[day.getDay()] + ', ' + day.getDate() + ' ' + MONTHS[day.getMonth()] + ' ' + day.getFullYear();
  }

  function dayName(time) {
    var now = new Date(), yesterday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1);
    return dayOf(time) === dayOf(now) ? 'Today' : dayOf(time) === dayOf(yesterday) ? 'Yesterday' : date(time);
  }

  // Whether a position is later than another one. Its two numbers may be too large for JavaScript.
  function later(one, other) {
    var a = one.split('-'), b = other.split('-');
    return a[0] === b[0] ? above(a[1], b[1]) : above(a[0], b[0]);
  }

  function above(one, other) { return one.length === other.length ? one > other : one.length > other.length; }

  // ---- Rooms

  function roomOfPath() {
    try { return decodeURIComponent(location.pathname.slice(1)) || 'lobby'; } catch (e) { return 'lobby'; }
  }

  function pathOf(room) { return '/' + encodeURIComponent(room); }

  // The name of a room as a link can hold it, in any script: no blanks, slashes and dots, and no signs with a
  // meaning in an address.
  function roomNamed(text) {
    var name = text.replace(/[\s\/\\.?#%]+/g, '-').replace(/[\ud800-\udbff](?![\udc00-\udfff])/g, '-');
    return name.normalize ? name.normalize('NFC') : name;
  }

  // ---- What the browser remembers. Storage may be forbidden, and then throws.

  function recall(store, item) {
    try { return window[store].getItem(item) || ''; } catch (e) { return ''; }
  }

  function keep(store, item, text) {
    try {
      if (text) window[store].setItem(item, text); else window[store].removeItem(item);
    } catch (e) { /* then the page forgets it, and nothing else changes */ }
  }

  // The key makes us the same member after a reload, in a second tab, and tomorrow: with the same colour, and with our
  // own messages on our own side. So it is in localStorage. But it belongs to the name: two tabs with two names are
  // two members, as anyone would expect who enters two names.
  var keys = [];                  // [name, key], the last used first
  try { keys = JSON.parse(recall('localStorage', 'stentor-keys') || '[]'); } catch (e) { /* not ours: begin anew */ }

  function keyOf(name) {
    for (var i = 0; i < keys.length; i++) if (keys[i][0] === name) return keys[i][1];
  }

  function keepKey(name, key) {
    keys = [[name, key]].concat(keys.filter(function (pair) { return pair[0] !== name; })).slice(0, KEYS_CAP);
    keep('localStorage', 'stentor-keys', JSON.stringify(keys));
  }

  // ---- The connection

  function connect() {
    by('retry').hidden = true;
    status('', ['Connecting\u2026']);
    var ws = socket = new Socket((location.protocol === 'https:' ? 'wss://' : 'ws://') + location.host + pathOf(room));
    asked = {};
    var opened = false;
    expectAnswer();
    ws.onopen = function () {
      opened = true;
      // JSON leaves out what is undefined: the first time there is neither a key nor a position.
      if (ws === socket) send({ type: 'join', name: wanted, key: keyOf(wanted), since: last || undefined });
    };
    ws.onmessage = function (event) {
      var message = JSON.parse(event.data);
      if (ws === socket && catching) expectAnswer();        // a long replay may take its time, as long as it goes on
      if (ws === socket && on.hasOwnProperty(message.type)) on[message.type](message);
    };
    ws.onclose = function (event) {
      if (ws !== socket) return;
      if (event.code === 1008 && /operator/.test(event.reason)) { expelled(); return; }
      lost(event.code === 1013 && event.reason);
      if (!opened) askWhy();
    };
  }

  // A script cannot read the response to a refused handshake, but the page at the same path has the same response.
  function askWhy() {
    var request = new XMLHttpRequest(), next = timer;
    request.onload = function () {
      if (socket || timer !== next || request.status < 400) return;
      var reason = request.responseText.replace(/\s+$/, '').slice(0, 300);
      if (request.status !== 404) { status('lost', ['Not let in: ' + reason]); return; }
      clearTimeout(timer);        // no room will be there later either
      by('retry').hidden = true;
      status('lost', ['Not let in']);
      notice(['Not let in: ' + reason + '.']);
    };
    request.open('GET', pathOf(room));
    request.send();
  }

  function send(message) { socket.send(JSON.stringify(message)); }

  function ask(message) {
    asked[message.type] = true;
    send(message);
    expectAnswer();
  }

  // A connection can die without a word: then nothing tells us but an answer that does not come.
  function expectAnswer() {
    clearTimeout(timer);
    if (!me || unconfirmed.length || asked.rooms || asked.older || asked.operator) timer = setTimeout(lost, ANSWER_WITHIN);
  }

  function answered(type) {
    asked[type] = false;
    expectAnswer();
  }

  // The code 1000 leaves the room at once. Otherwise the server gives us time to come back, as after a reload.
  function disconnect(leaving) {
    var ws = socket;
    socket = me = null;
    clearTimeout(timer);
    catching = operator = false;
    typists = {};
    showTypists();
    by('retry').hidden = true;
    if (ws && leaving) ws.close(1000); else if (ws) ws.close();
    restore();
  }

  // Each failure doubles the longest wait, up to 15 s. Chance picks within its upper half, so that a
  // server that comes back is not met by all of its clients in the same moment.
  function lost(reason) {
    disconnect();
    var longest = Math.min(15000, 1000 * Math.pow(2, failures++));
    var wait = longest / 2 + Math.random() * longest / 2;
    by('room-view').className = 'away';
    by('retry').hidden = false;
    reason = typeof reason === 'string' && reason ? 'Not let in: ' + reason : returning ? 'Connection lost' : 'No connection';
    status('lost', [reason + ', next try in ' + Math.ceil(wait / 1000) + ' s']);
    timer = setTimeout(connect, wait);
  }

  // What never came back may not have arrived: it returns to the box, before what is there.
  function restore() {
    if (!unconfirmed.length) return;
    var box = by('text');
    returned = unconfirmed.concat(isUntouched() ? returned : []);
    box.value = unconfirmed.concat(box.value || []).join('\n');
    unconfirmed = [];
    fit();
  }

  // Whether the box still begins with the texts that were returned to it.
  function isUntouched() { return returned.length > 0 && (by('text').value + '\n').indexOf(returned.join('\n') + '\n') === 0; }

  // Our own words have come back. They may have been given up for lost before: then they leave the box again,
  // so that nobody sends them twice. Another tab of ours may have said them, too.
  function confirm(text) {
    var place = unconfirmed.indexOf(text), box = by('text');
    if (place >= 0) {
      unconfirmed.splice(place, 1);
      expectAnswer();
      return;
    }
    place = returned.indexOf(text);
    if (place < 0 || !isUntouched()) return;
    var rest = box.value.slice(returned.join('\n').length + 1);
    returned.splice(place, 1);
    box.value = returned.concat(rest || []).join('\n');
    fit();
  }

  function expelled() {
    disconnect();
    keep('sessionStorage', 'stentor-inside', '');
    showDoor('An operator has removed you from this room. The way back is closed for 10 minutes, for this name and this browser.');
  }

  var on = {
    welcome: function (m) {
      me = m;
      failures = 0;
      expectAnswer();
      if (m.key) keepKey(wanted, m.key);
      keep('sessionStorage', 'stentor-inside', wanted);
      by('room-view').className = '';
      removed = {};
      listMembers(m.members);
      showStatus();
      catching = true;
      missed = 0;
      quiet();
      if (returning && m.gap) gap(m.gap.missed);
      if (last && !later(m.at, last)) caughtUp();
      ask({ type: 'rooms' });     // its answer comes behind the last entry of the replay
      if (secret) ask({ type: 'operator', secret: secret });
    },
    said: received, joined: received, left: received, kicked: received, muted: received, cleared: received,
    gap: function (m) { gap(m.missed); },
    older: function (m) {
      answered('older');
      if (m.before && m.before !== oldest) return;
      prepend(m.entries, m.more);
    },
    typing: function (m) {
      if (m.member === me.member) return;
      typists[m.member] = { name: m.name, until: Date.now() + HINT_LASTS };
      showTypists();
    },
    rooms: function (m) {
      if (catching) caughtUp();
      answered('rooms');
      listRooms(m.rooms);
    },
    operator: function () {
      answered('operator');
      operator = true;
      secret = secret || by('secret').value;
      var focused = by('operator').contains(document.activeElement);
      openOperator(false);
      listMembers(everybody());
      if (focused) by('clear').focus();
      speak('You are an operator here.');
    },
    error: function (m) {
      if (!me) {                  // refused at the door: ask for another name
        disconnect();
        keep('sessionStorage', 'stentor-inside', '');
        wanted = '';
        showDoor(m.text);
        return;
      }
      var secretIsWrong = asked.operator;
      asked = {};
      if (secretIsWrong) {
        secret = '';
        openOperator(true);
        by('operator-answer').textContent = m.text;
      } else {
        notice([m.text]);
        restore();
      }
      expectAnswer();
    }
  };

  // ---- Entries

  // An entry of the room, live or replayed.
  function received(m) {
    var isLive = later(m.id, me.at);
    if (!shown[m.id]) {
      last = m.id;
      if (!oldest) oldest = m.id;
      if (!m.time) m.time = isLive || !lines.length ? Date.now() : lines[lines.length - 1].time;   // of a `left`
      follow(m, isLive);
      shown[m.id] = true;
    }
    if (catching && !later(me.at, m.id)) caughtUp();
  }

  // What an entry changes beside the log. The list of members is true already for what was before the welcome.
  function follow(m, isLive) {
    var own = m.member === me.member, known = members[m.member];
    var renamed = isLive && m.type === 'joined' && known;
    if (isLive) {
      if (m.type === 'joined') { delete removed[m.member]; addMember(m); }
      if (m.type === 'left' || m.type === 'kicked') dropMember(m.member);
    }
    if (m.type === 'muted') mute(m, own, isLive);
    if (m.type === 'kicked') {
      if (own && isLive) { expelled(); return; }
      removed[m.member] = true;
    }
    if (m.type === 'cleared') empty();
    if (m.type === 'said') {
      delete typists[m.member];
      showTypists();
      if (own) confirm(m.text);
    }
    if (renamed) {
      if (own) { me.name = m.name; showStatus(); }
      return;
    }
    if (m.type === 'left' && removed[m.member]) { delete removed[m.member]; return; }
    append(m);
    if (m.type === 'said' && own && isLive) { following = true; unmark(); keepUp(); }
    if (m.type === 'said' && !own) arrived(isLive);
  }

  // A message of somebody else is the last line now.
  function arrived(isLive) {
    var isMissed = !isLive && returning;
    if (!isLive && !isMissed) return;
    if (isMissed) missed++;
    if (!following || hidden()) below++;
    if (missed === 1 && isMissed || (hidden() || !following) && (!fresh || freshSeen)) steadily(function () { markFresh(lines[lines.length - 1]); });
    if (hidden()) title(unread + 1);
    keepUp();
  }

  // The position of the welcome may be that of an entry that we do not get. So the answer to a request that was
  // sent behind the welcome ends the replay, too.
  function caughtUp() {
    catching = false;
    if (!last || later(me.at, last)) last = me.at;
    if (!returning) {
      more = countOf(shown) >= PAGE;
      showTop();
      if (countOf(members) === 1) notice(['You are the only one here. Share this page\u2019s address to bring others in.']);
    } else if (missed) {
      speak(missed + (missed === 1 ? ' message' : ' messages') + ' came while you were away.');
    }
    returning = true;
  }

  function countOf(map) {
    var count = 0;
    for (var key in map) count++;
    return count;
  }

  function gap(missed) {
    var text = missed ? missed + (missed === 1 ? ' message is' : ' messages are') + ' missing here' : 'Messages may be missing here';
    append({ type: 'gap', time: Date.now(), text: text });
  }

  function notice(parts) { append({ type: 'notice', time: Date.now(), parts: parts }); }

  // ---- Lines of the log

  // Adds an entry to a list of lines: as a line of its own, or to the last one if both tell of coming and going.
  // Returns the line if it is new.
  function extend(list, m) {
    var line = list[list.length - 1], isMove = m.type === 'joined' || m.type === 'left';
    if (isMove && me && m.member === me.member) return null;       // our own coming is no news to us
    if (isMove && line && line.kind === 'moves' && dayOf(line.time) === dayOf(m.time)) {
      line.moves.push(m);
      line.ids.push(m.id);
      tellMoves(line);
      return null;
    }
    line = { kind: isMove ? 'moves' : m.type, time: m.time, ids: m.id ? [m.id] : [], member: m.member, name: m.name, version: m.version };
    if (isMove) line.moves = [m];
    line.node = m.type === 'said' ? messageNode(m) : element('div', m.type === 'gap' ? 'notice gap' : 'notice', '');
    if (isMove) tellMoves(line);
    if (m.type === 'gap') fill(line.node, [m.text]);
    if (m.type === 'notice') fill(line.node, m.parts);
    if (m.type === 'cleared') fill(line.node, ['An operator has cleared the messages']);
    if (m.type === 'kicked') fill(line.node, [named(m.name), ' was removed by an operator']);
    if (m.type === 'muted') fill(line.node, m.minutes ? ['An operator has muted ', named(m.name), ' for ' + minutes(m.minutes)]
      : [named(m.name), ' may write again']);
    list.push(line);
    return line;
  }

  function minutes(number) { return number + (number === 1 ? ' minute' : ' minutes'); }

  function messageNode(m) {
    var own = m.member === me.member, node = element('div', own ? 'message own' : 'message', '');
    var head = element('div', 'head', ''), text = written(m.text, own);
    var who = element('bdi', 'who ' + hue(m.member), m.name);
    fill(head, [who]);
    addBadge(head, m.version);
    head.appendChild(element('span', 'time', clock(m.time)));
    if (text.getElementsByTagName('mark').length) {
      mark(node, 'mentioned', true);
      head.appendChild(element('span', 'unseen', ' mentions you'));
    }
    text.title = date(m.time) + ', ' + clock(m.time);
    return fill(node, [head, text]);
  }

  // Writes one line on all that came and went in a row: "Ann, Bob and 3 others joined".
  function tellMoves(line) {
    var groups = [['joined', []], ['left', []], ['came and went', []], ['left and came back', []]], first = {}, latest = {}, order = [];
    line.moves.forEach(function (m) {
      if (!first[m.member]) { first[m.member] = m; order.push(m.member); }
      latest[m.member] = m;
    });
    order.forEach(function (member) {
      var came = first[member].type === 'joined', ends = latest[member].type === 'joined';
      groups[came === ends ? (came ? 0 : 1) : (came ? 2 : 3)][1].push(latest[member]);
    });
    line.node.textContent = '';
    line.node.title = '';
    groups.forEach(function (group) {
      if (!group[1].length) return;
      if (line.node.firstChild) fill(line.node, [' \u00b7 ']);
      tellNames(line.node, group[1]);
      fill(line.node, [' ' + group[0]]);
      if (group[1].length > 3) line.node.title += group[1].map(function (m) { return m.name; }).join(', ') + ' ' + group[0] + '. ';
    });
  }

  function tellNames(node, list) {
    var names = list.length > 3 ? list.slice(0, 2) : list;
    names.forEach(function (m, i) {
      if (i) fill(node, [i === list.length - 1 ? ' and ' : ', ']);
      fill(node, [named(m.name)]);
      addBadge(node, m.version);
    });
    if (names.length < list.length) fill(node, [' and ' + (list.length - names.length) + ' others']);
  }

  // Sets what depends on the line before: whether a new day begins, and whether the name is needed again.
  function arrange(i) {
    var line = lines[i], before = lines[i - 1];
    var begins = !before || dayOf(before.time) !== dayOf(line.time);
    if (begins && !line.day) {
      line.day = element('div', 'day', dayName(line.time));
      by('log').insertBefore(line.day, line.fresh || line.node);
    } else if (!begins && line.day) {
      remove(line.day);
      line.day = null;
    }
    if (line.kind !== 'said') return;
    var same = !begins && !line.fresh && before.kind === 'said' && before.member === line.member && before.name === line.name &&
      before.version === line.version && line.time - before.begun < GROUP;
    line.begun = same ? before.begun : line.time;
    mark(line.node, 'same', same);
  }

  function append(m) {
    var line = extend(lines, m);
    if (line) {
      by('log').appendChild(line.node);
      arrange(lines.length - 1);
      if (lines.length > cap()) steadily(trim);
    }
    keepUp();
  }

  function prepend(entries, isMore) {
    var page = [], log = by('log'), focused = document.activeElement;
    quiet();
    steadily(function () {
      entries.forEach(function (m, i) {
        for (var j = i - 1; !m.time && j >= 0; j--) m.time = entries[j].time;
        for (j = i + 1; !m.time && j < entries.length; j++) m.time = entries[j].time;
        if (!m.time) m.time = lines.length ? lines[0].time : Date.now();
        if (shown[m.id]) return;
        shown[m.id] = true;
        if (m.type === 'cleared') page = [];
        extend(page, m);
      });
      var next = lines[0], end = page[page.length - 1];
      if (end && next && end.kind === 'moves' && next.kind === 'moves' && dayOf(end.time) === dayOf(next.time)) {
        page.pop();
        next.moves = end.moves.concat(next.moves);
        next.ids = end.ids.concat(next.ids);
        tellMoves(next);
      }
      var place = next ? next.day || next.fresh || next.node : null;
      page.forEach(function (line) { log.insertBefore(line.node, place); });
      lines = page.concat(lines);
      for (var i = 0; i <= page.length && i < lines.length; i++) arrange(i);
      if (entries.length) oldest = entries[0].id;
      readingCap = Math.max(READING_CAP, lines.length + LOG_CAP);
      more = isMore && entries.length > 0;
      showTop();
    });
    if (!more && focused && focused.id === 'older') log.focus();
    speak(entries.length ? 'Older messages are shown above.' : 'There are no older messages.');
  }

  function cap() { return following ? LOG_CAP : readingCap; }

  function trim() {
    while (lines.length > cap()) drop(lines.shift());
    arrange(0);
    for (var i = 0; i < lines.length && !lines[i].ids.length; i++);
    oldest = i < lines.length ? lines[i].ids[0] : last;
    more = true;
    showTop();
  }

  function drop(line) {
    if (line === fresh) unmark();
    remove(line.day);
    remove(line.node);
    line.ids.forEach(function (id) { delete shown[id]; });
  }

  function empty() {
    lines.forEach(drop);
    lines = [];
    oldest = last;
    more = false;
    below = 0;
    title(0);
    showTop();
  }

  // The head of the log: a button that asks for older messages, or a word that there are none.
  function showTop() {
    var log = by('log'), top = by('top');
    if (!top) {
      top = element('div', 'notice', '');
      top.id = 'top';
    }
    if (log.firstChild !== top) log.insertBefore(top, log.firstChild);
    if (more && !by('older')) {
      top.textContent = '';
      top.appendChild(button('Older messages', '', askOlder)).id = 'older';
    } else if (!more) {
      top.textContent = lines.length ? 'There are no older messages' : '';
    }
  }

  function askOlder() {
    if (!me || catching || !more || asked.older || !oldest) return;
    ask({ type: 'older', before: oldest });
  }

  function markFresh(line) {
    unmark();
    fresh = line;
    freshSeen = false;
    line.fresh = element('div', 'fresh', 'New messages');
    by('log').insertBefore(line.fresh, line.node);
    arrange(lines.length - 1);
  }

  function unmark() {
    if (!fresh) return;
    remove(fresh.fresh);
    fresh.fresh = null;
    if (lines.indexOf(fresh) >= 0) arrange(lines.indexOf(fresh));
    fresh = null;
  }

  // ---- Where the log stands

  // Follows the talk only while its end is in view: nobody is torn away from what they are reading. While nobody
  // looks at the page, the first new message stays in view.
  function keepUp() {
    var log = by('log');
    if (following) log.scrollTop = hidden() && fresh ? Math.min(log.scrollHeight, fresh.fresh.offsetTop - 12) : log.scrollHeight;
    look();
    showNewer();
  }

  function fromEnd() {
    var log = by('log');
    return log.scrollHeight - log.scrollTop - log.clientHeight;
  }

  function showNewer() {
    by('newer').hidden = following || !below && fromEnd() < by('log').clientHeight;
    by('newer').textContent = below ? below + (below === 1 ? ' new message' : ' new messages') : 'To the newest';
  }

  // Somebody looks at the end of the log, and so has seen all that is new.
  function look() {
    if (!following || hidden() || fromEnd() >= 40) return;
    below = 0;
    freshSeen = true;
  }

  function scrolled() {
    following = fromEnd() < 40;
    look();
    showNewer();
    if (by('log').scrollTop < 150 && !following) askOlder();
  }

  // Changes the log above what is being read, which stays where it is.
  function steadily(change) {
    var log = by('log'), anchor = null, before = 0;
    for (var i = 0; i < lines.length && !following && !anchor; i++) {
      if (lines[i].node.offsetTop + lines[i].node.offsetHeight > log.scrollTop) anchor = lines[i].node;
    }
    // The end of the line, since its heading may come or go.
    if (anchor) before = anchor.offsetTop + anchor.offsetHeight;
    change();
    if (anchor && anchor.parentNode) log.scrollTop += anchor.offsetTop + anchor.offsetHeight - before;
    keepUp();
  }

  // History is not read aloud: the log is live only for what comes after it.
  function quiet() {
    var log = by('log');
    log.setAttribute('aria-live', 'off');
    log.setAttribute('aria-busy', 'true');
    clearTimeout(soften);
    soften = setTimeout(function () {
      if (catching) { quiet(); return; }
      log.setAttribute('aria-live', 'polite');
      log.setAttribute('aria-busy', 'false');
    }, 400);
  }

  function speak(text) { by('spoken').textContent = text; }

  function hidden() { return !!(document.hidden || document.webkitHidden || document.mozHidden); }

  function title(count) {
    unread = count;
    document.title = (count ? '(' + count + ') ' : '') + room + ' \u00b7 Stentor';
  }

  // ---- Beside the log

  function status(className, parts, version) {
    by('status').className = className;
    by('status').textContent = '';
    fill(by('status'), parts);
    addBadge(by('status'), version);
    keepUp();
  }

  function showStatus() { status('open', [named(me.name), ' \u00b7 connected'], me.version); }

  function everybody() { return Object.keys(members).map(function (id) { return members[id]; }); }

  function listMembers(list) {
    by('members').textContent = '';
    by('clear').hidden = !operator;
    by('operator-switch').hidden = operator;
    members = {};
    list.forEach(addMember);
    count();
  }

  function addMember(m) {
    var known = members[m.member], node = element('li', '', ''), own = me && m.member === me.member;
    members[m.member] = { member: m.member, name: m.name, version: m.version, node: node, muted: m.muted || known && known.muted };
    fill(node, [coloured(m), own ? ' (you)' : '']);
    addBadge(node, m.version);
    if (operator && !own) addTools(node, members[m.member]);
    if (known && known.node.parentNode === by('members')) by('members').replaceChild(node, known.node);
    else by('members').appendChild(node);
    count();
  }

  function dropMember(id) {
    var known = members[id];
    delete members[id];
    delete typists[id];
    showTypists();
    if (known) remove(known.node);
    count();
  }

  function addTools(node, m) {
    var tools = element('span', 'tools', '');
    tools.appendChild(button(m.muted ? 'Unmute' : 'Mute', (m.muted ? 'Unmute ' : 'Mute ') + m.name, function () {
      if (me) send({ type: 'mute', member: m.member, minutes: m.muted ? 0 : MUTE_MINUTES });
    }));
    tools.appendChild(cautious(button('Remove', 'Remove ' + m.name, function () {}), 'Really remove?', function () {
      if (me) send({ type: 'kick', member: m.member });
    }));
    node.appendChild(tools);
  }

  function mute(m, own, isLive) {
    var known = members[m.member];
    // The clock of the server counts only where we cannot know when the message was sent.
    var until = (isLive ? Date.now() : m.time) + m.minutes * 60000;
    if (own) {
      mutedUntil = m.minutes && until > Date.now() ? until : 0;
      fit();
    }
    if (!known) return;
    known.muted = m.minutes > 0 && until > Date.now();
    var focused = known.node.contains(document.activeElement);
    addMember(known);
    if (focused) members[m.member].node.getElementsByTagName('button')[0].focus();
  }

  function count() {
    by('count').textContent = by('crowd').textContent = countOf(members);
  }

  function listRooms(rooms) {
    var list = by('rooms'), at = list.contains(document.activeElement) && document.activeElement.href;
    var isListed = rooms.some(function (it) { return it.name === room; });
    list.textContent = '';
    (isListed ? rooms : [{ name: room, members: countOf(members) }].concat(rooms)).forEach(function (it) {
      var link = fill(element('a', '', ''), [named(it.name), element('span', 'number', String(it.members))]);
      link.href = pathOf(it.name);
      if (it.name === room) link.setAttribute('aria-current', 'page');
      listen(link, 'click', function (e) {
        if (e.ctrlKey || e.metaKey || e.shiftKey || e.altKey) return;
        e.preventDefault();
        go(it.name);
      });
      list.appendChild(fill(element('li', '', ''), [link]));
      if (link.href === at) link.focus();
    });
  }

  function showTypists() {
    var now = Date.now(), names = [], wait = HINT_LASTS;
    for (var id in typists) {
      if (typists[id].until <= now) { delete typists[id]; continue; }
      names.push(typists[id].name);
      wait = Math.min(wait, typists[id].until - now);
    }
    var line = by('typing');
    line.textContent = '';
    if (names.length > 3) fill(line, ['Several people are typing\u2026']);
    else if (names.length) {
      names.forEach(function (name, i) { fill(line, [i ? i === names.length - 1 ? ' and ' : ', ' : '', named(name)]); });
      fill(line, [names.length > 1 ? ' are typing\u2026' : ' is typing\u2026']);
    }
    clearTimeout(typingTimer);
    if (names.length) typingTimer = setTimeout(showTypists, wait + 20);
  }

  function fit() {                // the box grows with its text, up to its max-height
    var box = by('text');
    box.style.height = 'auto';
    box.style.height = box.scrollHeight + 2 + 'px';
    var length = lengthOf(trimmed('text')), text = '';
    if (mutedUntil > Date.now()) text = 'An operator has muted you until ' + clock(mutedUntil) + ': the others do not get your messages.';
    if (length > TEXT_CAP) text = 'This is too long to send: ' + length + ' characters, and the most is ' + TEXT_CAP + '.';
    if (by('note').textContent !== text) by('note').textContent = text;
    by('note').hidden = !text;
    keepUp();
  }

  function show(door) {
    by('door').hidden = !door;
    by('room-view').hidden = door;
    by(door ? 'name' : 'text').focus();
    title(0);
  }

  // ---- What the user does

  function showDoor(apology) {
    by('door-room').textContent = room === 'lobby' ? 'the lobby' : room;
    by('apology').textContent = apology;
    openPanel(false);
    openOperator(false);
    show(true);
  }

  function enter() {
    by('log').textContent = by('members').textContent = by('rooms').textContent = '';
    by('room').textContent = room;
    by('room').href = pathOf(room);
    lines = [];
    shown = {};
    members = {};
    oldest = last = '';
    fresh = null;
    returned = [];
    mutedUntil = failures = below = 0;
    readingCap = READING_CAP;
    freshSeen = following = more = true;
    returning = false;
    openPanel(false);
    show(false);
    fit();
    connect();
  }

  function moveTo(other) {
    disconnect(true);
    room = other;
    if (wanted) enter(); else showDoor('');
  }

  function go(other) {
    if (other === room) return;
    history.pushState(null, '', pathOf(other));
    moveTo(other);
  }

  function say() {
    var text = trimmed('text'), command = /^\/operator(?:\s+([\s\S]*))?$/i.exec(text);
    by('text').focus();
    if (command) {                // a secret is never sent as a message, connected or not
      by('text').value = '';
      fit();
      if (command[1]) claim(command[1]); else openOperator(true);
      return;
    }
    if (!text || !me || lengthOf(text) > TEXT_CAP) return;     // the text stays in its box
    if (catching && returned.length) return;                // until it is known whether it has arrived after all
    send({ type: 'say', text: text });
    unconfirmed.push(text);
    returned = [];
    hinted = 0;
    expectAnswer();
    by('text').value = '';
    fit();
  }

  function hint() {
    if (!me || mutedUntil > Date.now() || !trimmed('text') || by('text').value.charAt(0) === '/' || Date.now() - hinted < HINT_EVERY) return;
    hinted = Date.now();
    send({ type: 'typing' });
  }

  function claim(text) {
    by('secret').value = text;
    by('operator-answer').textContent = '';
    if (me) ask({ type: 'operator', secret: text });
    else by('operator-answer').textContent = 'There is no connection at the moment.';
  }

  // The form for the operator's secret. Closing it forgets what was typed.
  function openOperator(open) {
    var focused = by('operator').contains(document.activeElement);
    by('operator').hidden = !open;
    by('operator-switch').setAttribute('aria-expanded', String(open));
    by('secret').value = by('operator-answer').textContent = '';
    if (open) { openPanel(true); by('secret').focus(); } else if (focused) by('operator-switch').focus();
  }

  // The panel is beside the log on a wide page, and above it on a narrow one, where this opens and closes it.
  function openPanel(open) {
    mark(document.body, 'panel-open', open);
    by('panel-switch').setAttribute('aria-expanded', String(open));
  }

  listen(by('come-in'), 'submit', function () {
    wanted = trimmed('name');
    if (!wanted) { by('name').focus(); return; }
    if (lengthOf(wanted) > NAME_CAP) {
      showDoor('This name is too long: ' + lengthOf(wanted) + ' characters, and the most is ' + NAME_CAP + '.');
      wanted = '';
      return;
    }
    keep('localStorage', 'stentor-name', wanted);
    enter();
  });
  listen(by('speak'), 'submit', say);
  listen(by('text'), 'input', function () { fit(); hint(); });
  listen(by('text'), 'keydown', function (e) {
    // Enter sends, Shift+Enter breaks the line, and an Enter that ends an input method's word does neither.
    if (e.keyCode === 13 && !e.shiftKey && !e.isComposing) { e.preventDefault(); say(); }
  });
  listen(by('move'), 'submit', function () {
    var other = roomNamed(trimmed('elsewhere'));
    if (!other) return;
    if (lengthOf(other) > ROOM_CAP) {
      notice(['This name of a room is too long: ' + lengthOf(other) + ' characters, and the most is ' + ROOM_CAP + '.']);
      return;
    }
    by('elsewhere').value = '';
    go(other);
  });
  listen(by('leave'), 'click', function () {
    disconnect(true);
    secret = '';
    keep('sessionStorage', 'stentor-inside', '');
    showDoor('');
  });
  listen(by('operator-switch'), 'click', function () { openOperator(by('operator').hidden); });
  listen(by('operator'), 'submit', function () { if (by('secret').value) claim(by('secret').value); });
  cautious(by('clear'), 'Really clear?', function () { if (me) send({ type: 'clear' }); });
  listen(by('panel-switch'), 'click', function () { openPanel(!/panel-open/.test(document.body.className)); });
  listen(document, 'keydown', function (e) {
    if (e.keyCode !== 27) return;
    if (!by('operator').hidden) { openOperator(false); return; }
    if (!/panel-open/.test(document.body.className)) return;
    openPanel(false);
    by('panel-switch').focus();
  });
  listen(by('middle'), 'click', function () { openPanel(false); });
  listen(by('retry'), 'click', function () { by('text').focus(); connect(); });
  listen(by('newer'), 'click', function () { following = true; by('text').focus(); keepUp(); });
  listen(by('log'), 'scroll', scrolled);
  listen(window, 'popstate', function () { if (roomOfPath() !== room) moveTo(roomOfPath()); });
  listen(window, 'online', function () { if (wanted && !socket && !by('room-view').hidden) connect(); });
  listen(window, 'resize', keepUp);
  ['visibilitychange', 'webkitvisibilitychange'].forEach(function (event) {
    listen(document, event, function () {
      if (hidden()) return;
      title(0);
      scrolled();
      refresh();
    });
  });

  // The numbers of the rooms, and the names of the days. The answer also shows that the connection is alive.
  function refresh() {
    lines.forEach(function (line) { if (line.day) line.day.textContent = dayName(line.time); });
    if (mutedUntil) fit();
    if (me && !hidden() && !asked.rooms) ask({ type: 'rooms' });
  }
  setInterval(refresh, ROOMS_EVERY);

  by('mark').src = document.getElementsByTagName('link')[0].href;
  for (var version in VERSIONS) by('versions').appendChild(badge(version));
  by('name').value = recall('localStorage', 'stentor-name');
  wanted = Socket ? recall('sessionStorage', 'stentor-inside') : '';
  if (wanted) enter();            // a reload stays in the room
  else showDoor(Socket ? '' : 'This browser has no WebSocket.');
}());
