// The chat page's script. It is JavaScript of 2009 (ES5), since the browsers that speak the old versions of
// WebSocket know no other. Other people's text only ever becomes a text node.
(function () {
  'use strict';
  var Socket = window.WebSocket || window.MozWebSocket;
  var LOG_CAP = 500;              // entries kept on the page
  var NAME_CAP = 32, ROOM_CAP = 64, TEXT_CAP = 2000;    // characters, as in chat.rs
  var ANSWER_WITHIN = 10000;      // ms for a welcome, or for our own words to come back to us
  var HISTORY = {                 // what a badge tells when pointed at
    'draft-75': 'February 2010: Chrome 4, Safari 5.0',
    'draft-76': 'May 2010: Chrome 6, Safari 5.0.1',
    'version 7': 'April 2011: Firefox 6',
    'version 8': 'July 2011: Firefox 7, Chrome 14',
    'RFC 6455': 'December 2011: every browser since'
  };

  var room = roomOfPath();
  var wanted = '';                // the name asked for; the server may add a number to it
  var socket = null;              // the current connection; events of any other are ignored
  var me = null;                  // our own entry among the members, once welcomed
  var returning = false;          // in this room before, so the next welcome is a return
  var unconfirmed = [];           // said, but not yet come back to us
  var timer = 0;                  // the one thing waited for: an answer, or the next attempt
  var failures = 0, unread = 0, following = true;

  function by(id) { return document.getElementById(id); }

  function trimmed(id) { return by(id).value.replace(/^\s+|\s+$/g, ''); }

  // The one way in which words get on the page: as text, whatever they look like.
  function element(tag, className, text) {
    var node = document.createElement(tag);
    node.className = className;
    node.appendChild(document.createTextNode(text));
    return node;
  }

  // Puts texts and nodes into a node, in that order.
  function fill(node, parts) {
    for (var i = 0; i < parts.length; i++) {
      node.appendChild(typeof parts[i] === 'string' ? document.createTextNode(parts[i]) : parts[i]);
    }
    return node;
  }

  // A name keeps its own direction of writing, and leaves that of the words around it alone.
  function named(name) { return element('bdi', '', name); }

  // A message's text, where addresses of pages become links.
  function written(text) {
    var node = element('div', 'text', ''), link = /\bhttps?:\/\/[^\s<>"\u007f-\u00a0\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+/gi;
    var end = 0, found;
    node.dir = 'auto';
    while ((found = link.exec(text))) {
      var url = withoutPunctuation(found[0]);
      if (!/^https?:\/\/[^\/?#@]+([\/?#]|$)/i.test(url)) continue;    // no host, or one that hides behind a user's name
      fill(node, [text.slice(end, found.index), linkTo(url)]);
      end = found.index + url.length;
    }
    return fill(node, [text.slice(end)]);
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
      var last = url.charAt(url.length - 1);
      var stray = last === ')' && url.split('(').length < url.split(')').length;
      if (!stray && '.,;:!?\']}\u2019\u201d\u2026\u3002'.indexOf(last) < 0) return url;
      url = url.slice(0, -1);
    }
  }

  // Counts characters as the server does: those beyond the first 65,536 are two units in JavaScript.
  function lengthOf(text) { return text.replace(/[\ud800-\udbff][\udc00-\udfff]/g, '-').length; }

  function badge(version) {
    var node = element('span', 'version v-' + version.toLowerCase().replace(/[^a-z0-9]/g, ''), version);
    node.title = HISTORY[version] || '';
    return node;
  }

  function roomOfPath() {
    try { return decodeURIComponent(location.pathname.slice(1)) || 'lobby'; } catch (e) { return 'lobby'; }
  }

  function pathOf(room) { return '/' + encodeURIComponent(room); }

  function remembered(name) {     // storage may be forbidden, and then throws
    try {
      if (name) window.localStorage.setItem('stentor-name', name);
      return window.localStorage.getItem('stentor-name') || '';
    } catch (e) { return ''; }
  }

  // ---- The connection

  function connect() {
    by('retry').hidden = true;
    status('', ['Connecting…']);
    var ws = socket = new Socket((location.protocol === 'https:' ? 'wss://' : 'ws://') + location.host + pathOf(room));
    expectAnswer();
    ws.onopen = function () {
      if (ws === socket) ws.send(JSON.stringify({ type: 'join', name: wanted }));
    };
    ws.onmessage = function (event) {
      var message = JSON.parse(event.data);
      if (ws === socket && on.hasOwnProperty(message.type)) on[message.type](message);
    };
    ws.onclose = function () { if (ws === socket) lost(); };
  }

  // A connection can die without a word: then nothing tells us but an answer that does not come.
  function expectAnswer() {
    clearTimeout(timer);
    if (!me || unconfirmed.length) timer = setTimeout(lost, ANSWER_WITHIN);
  }

  function disconnect() {
    var ws = socket;
    socket = me = null;
    clearTimeout(timer);
    by('retry').hidden = true;
    if (ws) ws.close();
    restore();
  }

  // Each failure doubles the longest wait, up to 15 s. Chance picks within its upper half, so that a
  // server that comes back is not met by all of its clients in the same moment.
  function lost() {
    disconnect();
    var longest = Math.min(15000, 1000 * Math.pow(2, failures++));
    var wait = longest / 2 + Math.random() * longest / 2;
    by('room-view').className = 'away';
    by('retry').hidden = false;
    status('lost', [(returning ? 'Connection lost' : 'No connection') + ', next try in ' + Math.ceil(wait / 1000) + ' s']);
    timer = setTimeout(connect, wait);
  }

  // What never came back may not have arrived: it returns to the box, before what is there.
  function restore() {
    if (unconfirmed.length) by('text').value = unconfirmed.concat(by('text').value || []).join('\n');
    unconfirmed = [];
    fit();
  }

  var on = {
    welcome: function (m) {
      me = m;
      failures = 0;
      expectAnswer();
      by('room-view').className = '';
      by('members').textContent = '';
      for (var i = 0; i < m.members.length; i++) addMember(m.members[i]);
      status('open', [named(m.name), ' \u00b7 connected'], m.version);
      notice([returning ? 'Back as ' : 'Welcome, ', named(m.name), returning ? '. What was said meanwhile is not shown.' : '.']);
      if (!returning && m.members.length === 1) notice(['You are the first here. Share this page\u2019s address to bring others in.']);
      returning = true;
    },
    joined: function (m) {
      addMember(m);
      notice([named(m.name), ' joined'], m.version);
    },
    left: function (m) {
      var node = by('member-' + m.id);
      if (node) node.parentNode.removeChild(node);
      count();
      notice([named(m.name), ' left']);
    },
    said: function (m) {
      var own = me && m.id === me.id;
      if (own) { unconfirmed.shift(); expectAnswer(); }
      var entry = element('div', own ? 'message own' : 'message', '');
      entry.appendChild(element('bdi', 'who', m.name));
      entry.appendChild(badge(m.version));
      entry.appendChild(element('span', 'time', clock(new Date(m.time))));
      entry.appendChild(written(m.text));
      following = following || own;
      append(entry);
      if (!own && document.hidden) title(unread + 1);
    },
    error: function (m) {
      if (me) { notice([m.text]); restore(); expectAnswer(); return; }
      disconnect();               // refused at the door: ask for another name
      wanted = '';
      showDoor(m.text);
    }
  };

  // ---- What is shown

  function status(className, parts, version) {
    by('status').className = className;
    by('status').textContent = '';
    fill(by('status'), parts);
    if (version) by('status').appendChild(badge(version));
    keepUp();
  }

  function title(count) {
    unread = count;
    document.title = (count ? '(' + count + ') ' : '') + room + ' \u00b7 Stentor';
  }

  function clock(time) {
    var minutes = time.getMinutes();
    return time.getHours() + (minutes < 10 ? ':0' : ':') + minutes;
  }

  function addMember(m) {
    var node = fill(element('li', '', ''), [named(m.name), me && m.id === me.id ? ' (you)' : '']);
    node.id = 'member-' + m.id;
    node.appendChild(badge(m.version));
    by('members').appendChild(node);
    count();
  }

  function count() { by('count').textContent = by('members').childNodes.length; }

  function notice(parts, version) {
    var entry = fill(element('div', 'notice', ''), parts);
    if (version) entry.appendChild(badge(version));
    append(entry);
  }

  function append(entry) {
    var log = by('log');
    log.appendChild(entry);
    while (log.childNodes.length > LOG_CAP) log.removeChild(log.firstChild);
    by('newer').hidden = following;
    keepUp();
  }

  // Follows the talk only while its end is in view: nobody is torn away from what they are reading.
  function keepUp() { if (following) by('log').scrollTop = by('log').scrollHeight; }

  function fit() {                // the box grows with its text, up to its max-height
    var box = by('text');
    box.style.height = 'auto';
    box.style.height = box.scrollHeight + 2 + 'px';
    var length = lengthOf(trimmed('text'));
    by('too-long').hidden = length <= TEXT_CAP;
    by('too-long').textContent = length <= TEXT_CAP ? '' :
      'This is too long to send: ' + length + ' characters, and the most is ' + TEXT_CAP + '.';
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
    show(true);
  }

  function enter() {
    by('log').textContent = by('members').textContent = '';
    by('room').textContent = room;
    by('room').href = pathOf(room);
    returning = false;
    following = true;
    failures = 0;
    show(false);
    fit();
    connect();
  }

  function moveTo(other) {
    disconnect();
    room = other;
    if (wanted) enter(); else showDoor('');
  }

  function say() {
    var text = trimmed('text');
    by('text').focus();
    if (!text || !me || lengthOf(text) > TEXT_CAP) return;   // the text stays in its box
    socket.send(JSON.stringify({ type: 'say', text: text }));
    unconfirmed.push(text);
    expectAnswer();
    by('text').value = '';
    fit();
  }

  function listen(node, event, action) {
    node.addEventListener(event, function (e) {
      if (event === 'submit') e.preventDefault();
      action(e);
    }, false);
  }

  listen(by('come-in'), 'submit', function () {
    wanted = trimmed('name');
    if (!wanted) { by('name').focus(); return; }
    if (lengthOf(wanted) > NAME_CAP) {
      showDoor('This name is too long: ' + lengthOf(wanted) + ' characters, and the most is ' + NAME_CAP + '.');
      wanted = '';
      return;
    }
    remembered(wanted);
    enter();
  });
  listen(by('speak'), 'submit', say);
  listen(by('text'), 'input', fit);
  listen(by('text'), 'keydown', function (e) {
    // Enter sends, Shift+Enter breaks the line, and an Enter that ends an input method's word does neither.
    if (e.keyCode === 13 && !e.shiftKey && !e.isComposing) { e.preventDefault(); say(); }
  });
  listen(by('move'), 'submit', function () {
    var other = trimmed('elsewhere').replace(/[^\w~-]+/g, '-');   // what a room's link may hold
    if (!other || other === room) return;
    if (other.length > ROOM_CAP) {
      notice(['This name of a room is too long: ' + other.length + ' characters, and the most is ' + ROOM_CAP + '.']);
      return;
    }
    by('elsewhere').value = '';
    history.pushState(null, '', pathOf(other));
    moveTo(other);
  });
  listen(by('retry'), 'click', function () { by('text').focus(); connect(); });
  listen(by('newer'), 'click', function () { following = true; by('text').focus(); keepUp(); });
  listen(by('log'), 'scroll', function () {
    var log = by('log');
    following = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    if (following) by('newer').hidden = true;
  });
  listen(window, 'popstate', function () { if (roomOfPath() !== room) moveTo(roomOfPath()); });
  listen(window, 'online', function () { if (wanted && !socket) connect(); });
  listen(window, 'resize', keepUp);
  listen(document, 'visibilitychange', function () { if (!document.hidden) title(0); });

  by('mark').src = document.getElementsByTagName('link')[0].href;
  for (var version in HISTORY) by('versions').appendChild(badge(version));
  by('name').value = remembered();
  showDoor(Socket ? '' : 'This browser has no WebSocket.');
}());
