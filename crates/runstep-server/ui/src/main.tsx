import { render } from 'preact';
import { App, applyTheme, storedTheme } from './app';
import './styles/tokens.css';
import './styles/base.css';
import './styles/controls.css';
import './styles/lists.css';
import './styles/details.css';
import './styles/server.css';

applyTheme(storedTheme());
const root = document.getElementById('app');
if (root) render(<App />, root);
