// The lint rules of the page, its tests and the scripts; prettier sees to the layout.
import js from '@eslint/js';
import globals from 'globals';
import ts from 'typescript-eslint';

export default ts.config(
  { ignores: ['build/**', 'target/**', 'www/dist/**', 'www/wasm/**', 'crate/**', 'tools/bindgen/**'] },
  js.configs.recommended,
  { files: ['**/*.ts'], extends: [ts.configs.strict] },
  { files: ['www/**'], languageOptions: { globals: { ...globals.browser, ...globals.worker } } },
  {
    files: ['tools/**', 'tests/**', '*.js'],
    languageOptions: { globals: { ...globals.node, ...globals.browser } },
  },
  { rules: { eqeqeq: 'error', 'no-var': 'error', 'prefer-const': 'error' } },
);
