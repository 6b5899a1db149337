// Builds the page into www/dist, and serves it while it is worked on.
//
// The wasm module comes from www/wasm, where `npm run build` puts it before webpack is called. Guests that have been
// fetched lie in build/guests and are served beside the page as /guests.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import HtmlWebpackPlugin from 'html-webpack-plugin';
import MiniCssExtractPlugin from 'mini-css-extract-plugin';

const here = path.dirname(fileURLToPath(import.meta.url));

export default (_environment, { mode = 'production' }) => ({
  mode,
  context: path.join(here, 'www'),
  entry: { page: './src/main.ts' },
  output: {
    path: path.join(here, 'www/dist'),
    filename: mode === 'production' ? '[name].[contenthash:8].js' : '[name].js',
    assetModuleFilename: '[name].[contenthash:8][ext]',
    clean: true,
  },
  resolve: {
    extensions: ['.ts', '.js'],
    alias: { 'tabvisor-wasm': path.join(here, 'www/wasm/tabvisor.js') },
  },
  module: {
    rules: [
      { test: /\.ts$/, loader: 'ts-loader', options: { transpileOnly: mode !== 'production' } },
      { test: /\.css$/, use: [MiniCssExtractPlugin.loader, 'css-loader'] },
    ],
  },
  plugins: [
    new HtmlWebpackPlugin({ template: './index.html' }),
    new MiniCssExtractPlugin({
      filename: mode === 'production' ? '[name].[contenthash:8].css' : '[name].css',
    }),
  ],
  devtool: mode === 'production' ? false : 'source-map',
  // The emulator is one module of wasm by design; the whole download has a test of its own.
  performance: { hints: false },
  devServer: {
    host: '127.0.0.1',
    port: 8080,
    // Reloading under a running guest would be rude.
    hot: false,
    liveReload: false,
    client: { overlay: false, logging: 'warn' },
    static: [{ directory: path.join(here, 'build/guests'), publicPath: '/guests', watch: false }],
  },
});
